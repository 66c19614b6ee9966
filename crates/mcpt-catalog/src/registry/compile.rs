//! One entry, with what the command and the user's values say, to a plan and chart values.

mod layers;

use std::collections::BTreeMap;

use mcpt_core::{
    Arg, BackendName, Capabilities, Capability, CommandOption, Image, InvalidId, Mount, Plan,
    Secret, ServerName, Sessions, TemplateId, Transport, chain, sounds_secret,
};
use mcpt_source::Source;
use serde_json::{Map, Value};

use super::{
    ChartLocation, EntryError, EnvValue, Faults, RegistryEntry,
    chart::{self, ServerChart},
    expression::{self, Unrendered},
    values,
};
use crate::{
    catalog::Catalog,
    chart_source::ChartSource,
    compile::{CompileError, compile, transport_variable},
    document::escape,
    settings::Settings,
    template::{CommandArg, ConfigSchema, Template, TransportSpec},
};

/// Stands for a value that is not given, where only the rest is looked at.
const ABSENT: &str = "absent";

/// What the command says about an entry.
#[derive(Debug, Clone)]
pub struct EntryChoices {
    /// Where it is to run, for messages.
    pub backend: BackendName,
    /// What can be done there.
    pub capabilities: Capabilities,
    /// Settings of the command line, which win over the entry's.
    pub settings: Settings,
    /// Image instead of the entry's.
    pub image: Option<Image>,
    /// Profile instead of the entry's.
    pub profile: Option<String>,
    /// The user's values, for expressions.
    pub values: Map<String, Value>,
}

/// What became of an entry.
#[derive(Debug, Clone)]
pub struct CompiledEntry {
    /// What to run.
    pub plan: Plan,
    /// Chart values that win over those made from the plan; empty for processes.
    pub values: Map<String, Value>,
    /// The chart, when it is not the built-in one.
    pub chart: Option<ChartSource>,
    /// What the user should know.
    pub warnings: Vec<String>,
    /// The package that the plan is to run, which is to be resolved first.
    pub package: Option<Source>,
    /// Values that expressions read and the user did not give: the variable, and the value's path.
    pub missing: Vec<(String, String)>,
}

/// Makes the plan and the chart values of an entry.
///
/// # Errors
/// [`EntryError`] with everything that is in the way, values that are not given included. It contains no value of an expression.
pub fn compile_entry(
    entry: &RegistryEntry,
    catalog: &Catalog,
    choices: &EntryChoices,
) -> Result<CompiledEntry, EntryError> {
    let mut attempt = Attempt::new(entry, choices);
    let compiled = attempt.compile(catalog);
    for (variable, path) in &attempt.missing {
        attempt.faults.add(
            &format!("/env/{}", escape(variable)),
            format!(
                "{path} has no value: give it in a file with -f, or with {} {path}=VALUE",
                CommandOption::Set
            ),
        );
    }
    attempt.end(compiled)
}

/// The same, but values that are not given are no fault: something stands for them in the plan.
///
/// # Errors
/// As [`compile_entry`].
pub fn check_entry(
    entry: &RegistryEntry,
    catalog: &Catalog,
    choices: &EntryChoices,
) -> Result<CompiledEntry, EntryError> {
    let mut attempt = Attempt::new(entry, choices);
    let compiled = attempt.compile(catalog);
    attempt.end(compiled)
}

/// One entry on its way, with what is found to be wrong with it.
struct Attempt<'a> {
    entry: &'a RegistryEntry,
    choices: &'a EntryChoices,
    faults: Faults,
    warnings: Vec<String>,
    /// Plain variables.
    texts: BTreeMap<String, String>,
    /// Variables that are expressions, whoever gives their values; for the charts of others also those that sound secret.
    secrets: BTreeMap<String, Secret>,
    missing: Vec<(String, String)>,
    package: Option<Source>,
}

impl<'a> Attempt<'a> {
    fn new(entry: &'a RegistryEntry, choices: &'a EntryChoices) -> Self {
        Self {
            entry,
            choices,
            faults: entry.faults(),
            warnings: Vec::new(),
            texts: BTreeMap::new(),
            secrets: BTreeMap::new(),
            missing: Vec::new(),
            package: None,
        }
    }

    fn end(self, compiled: Option<CompiledEntry>) -> Result<CompiledEntry, EntryError> {
        let (warnings, missing) = (self.warnings, self.missing);
        self.faults.end(compiled).map(|compiled| CompiledEntry {
            warnings,
            missing,
            ..compiled
        })
    }

    fn compile(&mut self, catalog: &Catalog) -> Option<CompiledEntry> {
        self.render_env();
        if !self.choices.capabilities.has(Capability::Chart) {
            self.refuse_what_is_lacking();
            let plan = self.plan(catalog)?;
            return Some(self.compiled(plan, Map::new(), None));
        }
        let found = chart::find(&self.entry.chart)
            .map_err(|fault| self.faults.add(fault.field(), fault.to_string()))
            .ok();
        match found {
            Some(found) if !found.is_of_servers() => self.foreign(found),
            Some(found) => {
                let plan = self.plan(catalog);
                let own = values::own(self.entry);
                let values = self.layered(&found, own)?;
                Some(self.compiled(plan?, values, found.source))
            }
            // The other faults are worth knowing, too.
            None => {
                self.plan(catalog);
                None
            }
        }
    }

    fn compiled(
        &self,
        plan: Plan,
        values: Map<String, Value>,
        chart: Option<ChartSource>,
    ) -> CompiledEntry {
        CompiledEntry {
            plan,
            values,
            chart,
            warnings: self.warnings.clone(),
            package: self.package.clone(),
            missing: self.missing.clone(),
        }
    }

    /// Sorts the variables; the command's own replace the entry's, and what the entry keeps secret stays so.
    fn render_env(&mut self) {
        for (name, value) in &self.entry.env {
            let mut given = self.choices.settings.env.iter().rev();
            let replaced = given.find(|(own, _)| own == name);
            match (value, replaced) {
                (EnvValue::Text(_), Some(_)) => {}
                (EnvValue::Expression(_), Some((_, given))) => {
                    self.secrets.insert(name.clone(), Secret::new(given));
                }
                (EnvValue::Text(text), None) => {
                    self.texts.insert(name.clone(), text.clone());
                }
                (EnvValue::Expression(text), None) => {
                    let secret = match expression::render(text, &self.choices.values) {
                        Ok(secret) => secret,
                        Err(Unrendered::Missing(path)) => {
                            self.missing.push((name.clone(), path));
                            Secret::new(ABSENT)
                        }
                        Err(Unrendered::Failed(why)) => {
                            self.faults.add(
                                &format!("/env/{}", escape(name)),
                                format!("it has no value: {why}"),
                            );
                            Secret::new(ABSENT)
                        }
                    };
                    self.secrets.insert(name.clone(), secret);
                }
            }
        }
    }

    /// Faults for what changes what a client sees and the backend does not have, and one warning for the rest.
    fn refuse_what_is_lacking(&mut self) {
        let entry = self.entry;
        let EntryChoices {
            backend,
            capabilities,
            ..
        } = self.choices;
        let lacking = |capability: Capability| {
            (!capabilities.has(capability))
                .then(|| format!("the {backend} backend {}", capability.lacking()))
        };
        if let ChartLocation::Path(_) = entry.chart.source {
            self.faults.add(
                "/chart",
                "a chart is for a cluster: on this machine an entry needs a template or a command",
            );
        }
        let replicas = self.choices.settings.replicas.or(entry.replicas);
        if replicas.is_some_and(|number| number != 1)
            && let Some(why) = lacking(Capability::Instances)
        {
            self.faults.add("/replicas", why);
        }
        if entry.scaling.is_some()
            && let Some(why) =
                lacking(Capability::Instances).or_else(|| lacking(Capability::Autoscaling))
        {
            self.faults.add("/scaling", why);
        }
        if entry.persistence.is_some()
            && let Some(why) = lacking(Capability::Volumes)
        {
            let why = format!("{why}: a server works on the folders of this machine");
            self.faults.add("/persistence", why);
        }
        let unused: Vec<&str> = [
            (
                "namespace",
                entry.namespace.is_some() && lacking(Capability::Namespaces).is_some(),
            ),
            (
                "resources",
                entry.resources != mcpt_core::Resources::default(),
            ),
            ("service", entry.service != super::EntryService::default()),
            ("version", entry.chart.version.is_some()),
            ("profile", entry.profile.is_some()),
            ("labels", !entry.labels.is_empty()),
            ("annotations", !entry.annotations.is_empty()),
            ("values", !entry.values.is_empty()),
        ]
        .into_iter()
        .filter_map(|(field, given)| given.then_some(field))
        .collect();
        if !unused.is_empty() {
            self.warnings.push(format!(
                "{}: {} of the registry means nothing to the {backend} backend",
                entry.name,
                unused.join(", ")
            ));
        }
    }

    /// The plan by way of a template: the entry's, or one that says what the entry says.
    fn plan(&mut self, catalog: &Catalog) -> Option<Plan> {
        let mut template = self.template(catalog)?;
        self.overlay(&mut template);
        self.refuse_secret_words(&mut template);
        let entry = self.entry;
        let mut env: Vec<(String, String)> = Vec::new();
        env.extend(self.texts.clone());
        let exposed =
            |(name, secret): (&String, &Secret)| (name.clone(), secret.expose().to_owned());
        env.extend(self.secrets.iter().map(exposed));
        let given = &self.choices.settings;
        env.extend(given.env.clone());
        let transport = entry.transport.as_ref().map(|t| t.name.clone());
        let settings = Settings {
            name: Some(given.name.clone().unwrap_or_else(|| entry.name.clone())),
            env,
            transport: given.transport.clone().or(transport),
            replicas: given.replicas.or(entry.replicas),
            resources: entry.resources.clone(),
            ..given.clone()
        };
        let mut plan = match compile(&template, &settings) {
            Ok(plan) => plan,
            Err(error) => {
                self.unfit(&error, &template);
                return None;
            }
        };
        for name in self.secrets.keys() {
            if let Some(text) = plan.env.remove(name) {
                plan.secrets.insert(name.clone(), Secret::new(text));
            }
        }
        plan.args.extend(entry.args.iter().cloned().map(Arg::Text));
        self.persist(&mut plan);
        Some(plan)
    }

    fn template(&mut self, catalog: &Catalog) -> Option<Template> {
        if let Some(name) = &self.entry.template {
            return catalog
                .get(name)
                .map_err(|error| self.faults.add("/template", chain(&error)))
                .ok();
        }
        let id = template_id(&self.entry.name)
            .map_err(|error| self.faults.add("", error.to_string()))
            .ok()?;
        Some(Template {
            id,
            name: self.entry.name.to_string(),
            description: String::new(),
            version: String::new(),
            author: None,
            category: None,
            tags: Vec::new(),
            hosts: Vec::new(),
            image: None,
            command: Vec::new(),
            local_command: Vec::new(),
            package: None,
            transport: TransportSpec {
                // Packages speak over their standard input and output unless somebody says otherwise.
                default: if self.entry.package.is_some() {
                    "stdio".to_owned()
                } else {
                    "http".to_owned()
                },
                supported: vec!["http".to_owned(), "stdio".to_owned()],
                // Nothing is known of a variable for it.
                transport_env: Some(String::new()),
                ..TransportSpec::default()
            },
            sessions: Sessions::Stateful,
            resources: mcpt_core::Resources::default(),
            environment: BTreeMap::new(),
            config: ConfigSchema::default(),
            tools: Vec::new(),
        })
    }

    /// Lays what the entry says over its template.
    fn overlay(&mut self, template: &mut Template) {
        let entry = self.entry;
        if let Some(image) = self.choices.image.as_ref().or(entry.image.as_ref()) {
            template.image = Some(image.clone());
        }
        if !entry.command.is_empty() {
            template.command.clone_from(&entry.command);
            template.local_command.clone_from(&entry.command);
            template.package = None;
        }
        if let Some(package) = &entry.package {
            template.package = Some(package.clone());
            template.command.clear();
            template.local_command.clear();
            if self.choices.image.is_none() && entry.image.is_none() {
                template.image = None;
            }
        }
        if let Some(transport) = &entry.transport {
            let spec = &mut template.transport;
            if let Some(port) = transport.port {
                spec.port = port;
            }
            if let Some(path) = &transport.path {
                spec.path.clone_from(path);
            }
            if transport.port_env.is_some() {
                spec.port_env.clone_from(&transport.port_env);
            }
        }
        let can = self.choices.capabilities;
        let process = !can.has(Capability::Images);
        self.package = template.package_for(can).cloned();
        if !template.runs_on(can) {
            let why = if process {
                "nothing of it can be run on this machine: it names no command, and no template with one".to_owned()
            } else {
                let option = CommandOption::Image;
                format!(
                    "what to run is missing: name an image, or a template with one, or give {option}"
                )
            };
            self.faults.add("", why);
        }
        let asked = self.choices.settings.transport.as_deref();
        let transport = asked.or(entry.transport.as_ref().map(|t| t.name.as_str()));
        let stdio = transport.unwrap_or(&template.transport.default) == "stdio";
        if stdio && template.image.is_some() && template.command.is_empty() {
            if !process {
                self.faults.add(
                    "",
                    "a stdio server in a container needs a command, since the bridge starts it",
                );
            }
            // It is told here, in the registry's words, or does not matter.
            template.command.push(ABSENT.to_owned());
        }
    }

    /// Makes the settings that are expressions secret, and refuses those that could not stay so.
    fn refuse_secret_words(&mut self, template: &mut Template) {
        let transport = transport_variable(template).map(str::to_owned);
        for name in self.secrets.keys() {
            let field = format!("/env/{}", escape(name));
            if transport.as_ref() == Some(name) {
                self.faults
                    .add(&field, "the transport cannot be an expression");
            }
            let setting = template
                .config
                .properties
                .iter_mut()
                .find(|(key, property)| property.env_name(key).as_ref() == Some(name));
            let Some((_, property)) = setting else {
                continue;
            };
            if property.command_arg.is_arg() {
                self.faults.add(
                    &field,
                    "the template makes it an argument, which every process list shows: it cannot be an expression",
                );
            }
            if property.volume_mount {
                self.faults
                    .add(&field, "it names folders, and cannot be an expression");
            }
            // What is refused shall not be told once more, and with its value.
            property.command_arg = CommandArg::default();
            property.volume_mount = false;
            property.sensitive = Some(true);
            if self.missing.iter().any(|(missing, _)| missing == name) {
                // What stands for the value fits any setting.
                property.schema.clear();
            }
        }
    }

    /// Tells what a template says about the settings, each at the variable that it is about.
    fn unfit(&mut self, error: &CompileError, template: &Template) {
        for problem in &error.problems {
            let variable = problem.setting.as_ref().and_then(|setting| {
                let property = template.config.properties.get(setting)?;
                property.env_name(setting)
            });
            match variable {
                Some(name) if self.entry.env.contains_key(&name) => {
                    self.faults
                        .add(&format!("/env/{}", escape(&name)), problem.message.clone());
                }
                _ => self.faults.add("", problem.to_string()),
            }
        }
    }

    /// Gives the volume a folder in the container.
    fn persist(&mut self, plan: &mut Plan) {
        let Some(persistence) = &self.entry.persistence else {
            return;
        };
        match &persistence.path {
            Some(path) if plan.mounts.iter().all(|mount| mount.container != *path) => {
                plan.mounts.push(Mount {
                    setting: "persistence.path".to_owned(),
                    host: None,
                    container: path.clone(),
                    read_only: false,
                });
            }
            None if plan.mounts.is_empty() => {
                self.faults.add(
                    "/persistence",
                    "path is missing: no setting names a folder that could be kept",
                );
            }
            _ => {}
        }
    }

    /// Plan and values for the chart of somebody else.
    fn foreign(&mut self, found: ServerChart) -> Option<CompiledEntry> {
        let entry = self.entry;
        let given = &self.choices.settings;
        let chart = found.chart.name().to_owned();
        for (field, is_given) in [
            ("/template", entry.template.is_some()),
            ("/command", !entry.command.is_empty()),
            ("/package", entry.package.is_some()),
            ("/args", !entry.args.is_empty()),
            ("/persistence", entry.persistence.is_some()),
            ("", !given.config.is_empty()),
        ] {
            if is_given {
                let message = format!(
                    "the chart {chart} does not know it: say it in values, by the chart's own names"
                );
                let message = match field {
                    "" => format!("the chart {chart} has no settings for -c"),
                    _ => message,
                };
                self.faults.add(field, message);
            }
        }
        let asked = given.transport.as_deref();
        let transport = entry.transport.as_ref();
        if asked.or(transport.map(|t| t.name.as_str())) == Some("stdio") {
            self.faults.add(
                "/transport",
                format!("the chart {chart} has no bridge for a stdio server"),
            );
        }
        let plain = |(name, _): &&(String, String)| !self.secrets.contains_key(name);
        self.texts.extend(given.env.iter().filter(plain).cloned());
        // There is no template that could say otherwise.
        for (name, text) in self.texts.extract_if(.., |name, _| sounds_secret(name)) {
            self.secrets.insert(name, Secret::new(text));
        }
        let image = self.choices.image.as_ref().or(entry.image.as_ref());
        let own = values::foreign(
            entry,
            &found.chart,
            image,
            &self.texts,
            &self.secrets,
            &mut self.faults,
        );
        let values = self.layered(&found, own);
        let id = template_id(&entry.name).map_err(|error| self.faults.add("", error.to_string()));
        let port = transport.and_then(|t| t.port).or(entry.service.port);
        let plan = Plan {
            image: image.cloned(),
            env: self.texts.clone(),
            secrets: self.secrets.clone(),
            replicas: given.replicas.or(entry.replicas),
            resources: entry.resources.clone(),
            ..Plan::bare(
                given.name.clone().unwrap_or_else(|| entry.name.clone()),
                id.ok()?,
                Transport::Http {
                    port: port.unwrap_or_else(|| TransportSpec::default().port),
                    path: transport
                        .and_then(|t| t.path.clone())
                        .unwrap_or_else(|| TransportSpec::default().path),
                    port_env: None,
                },
            )
        };
        let source = found.source.map(|source| ChartSource {
            // Without a word about it nobody knows whether the chart's server speaks MCP at all, and where.
            endpoint_known: transport.is_some() || asked.is_some(),
            ..source
        });
        Some(self.compiled(plan, values?, source))
    }
}

/// The entry says itself what its server is.
fn template_id(name: &ServerName) -> Result<TemplateId, InvalidId> {
    TemplateId::new(name.as_str())
}
