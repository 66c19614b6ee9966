//! `mcpt chart repo add|list|update|remove|index`: the repositories that charts come from.

use std::{fs, path::PathBuf};

use clap::{Args, Subcommand};
use helm_fetch::{Index, Repositories, Repository};
use secrecy::SecretString;
use serde_json::json;

use super::{
    columns, failed,
    places::{AccessFlags, PlaceFlags, TimeFlag, fetching, password_from_stdin},
};
use crate::{
    args::{Format, Global},
    ending::Ending,
    messages, output,
};

/// Arguments of `mcpt chart repo`.
#[derive(Debug, Args)]
pub(crate) struct Repo {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Add a repository
    Add(Box<Add>),
    /// List the repositories
    #[command(alias = "ls")]
    List(List),
    /// Fetch the indexes of the repositories anew
    #[command(alias = "up")]
    Update(Update),
    /// Remove repositories from the list
    #[command(alias = "rm")]
    Remove(Remove),
    /// Write the index of a folder of archives
    Index(MakeIndex),
}

#[derive(Debug, Args)]
struct Add {
    /// What to call it
    name: String,
    /// Where it is
    url: String,
    #[command(flatten)]
    access: AccessFlags,
    /// Read the password from standard input
    #[arg(long)]
    password_stdin: bool,
    /// Replace a repository of that name
    #[arg(long)]
    force_update: bool,
    #[arg(long, hide = true)]
    allow_deprecated_repos: bool,
    #[command(flatten)]
    time: TimeFlag,
    #[command(flatten)]
    places: PlaceFlags,
}

#[derive(Debug, Args)]
struct List {
    /// No line with the columns' names
    #[arg(long)]
    no_headers: bool,
    #[command(flatten)]
    places: PlaceFlags,
}

#[derive(Debug, Args)]
struct Update {
    /// Only these
    names: Vec<String>,
    #[command(flatten)]
    time: TimeFlag,
    #[command(flatten)]
    places: PlaceFlags,
}

#[derive(Debug, Args)]
struct Remove {
    /// Which
    #[arg(required = true)]
    names: Vec<String>,
    #[command(flatten)]
    places: PlaceFlags,
}

#[derive(Debug, Args)]
struct MakeIndex {
    /// The folder
    folder: PathBuf,
    /// Where the archives will be
    #[arg(long, value_name = "URL", default_value = "")]
    url: String,
    /// Take over what this index has besides
    #[arg(long, value_name = "FILE")]
    merge: Option<PathBuf>,
    /// Write JSON
    #[arg(long)]
    json: bool,
}

impl Repo {
    /// Does it.
    pub(super) fn run(&self, global: &Global) -> Result<(), Ending> {
        match &self.action {
            Action::Add(add) => add.run(),
            Action::List(list) => list.run(global),
            Action::Update(update) => update.run(),
            Action::Remove(remove) => remove.run(),
            Action::Index(index) => index.run(),
        }
    }
}

impl Add {
    fn run(&self) -> Result<(), Ending> {
        let places = self.places.places();
        let mut access = self.access.access();
        if !access.username.is_empty() && access.password.is_none() {
            access.password = Some(self.read_password()?);
        }
        let _alone = Repositories::lock(&places).map_err(|error| fetching(&error))?;
        let mut known = Repositories::load(&places).map_err(|error| fetching(&error))?;
        let (name, url) = (&self.name, &self.url);
        if name.contains('/') {
            return Err(failed(format!(
                "repository name ({name}) contains '/', please specify a different name without '/'"
            ))
            .into());
        }
        let repository = Repository {
            name: name.clone(),
            url: url.clone(),
            access,
        };
        if let Some(existing) = known.named(name).filter(|_| !self.force_update) {
            if !existing.is_same(&repository) {
                return Err(failed(format!(
                    "repository name ({name}) already exists, please specify a different name"
                ))
                .into());
            }
            return output::line(&format!(
                "{name:?} already exists with the same configuration, skipping"
            ));
        }
        repository
            .update(&self.time.http(), &places)
            .map_err(|error| {
                failed(format!(
                    "looks like {url:?} is not a valid chart repository or cannot be reached: {error}"
                ))
            })?;
        known.put(repository);
        known.save(&places).map_err(|error| fetching(&error))?;
        output::line(&format!("{name:?} has been added to your repositories"))
    }

    fn read_password(&self) -> Result<SecretString, Ending> {
        if !self.password_stdin {
            let hint = "add --password-stdin and give it on standard input";
            return Err(failed("a user needs a password".to_owned())
                .hint(hint)
                .into());
        }
        Ok(password_from_stdin()?)
    }
}

impl List {
    fn run(&self, global: &Global) -> Result<(), Ending> {
        let known = Repositories::load(&self.places.places()).map_err(|error| fetching(&error))?;
        let listed = known.list.iter();
        let entries: Vec<_> = listed
            .clone()
            .map(|repository| json!({"name": repository.name, "url": repository.url}))
            .collect();
        match global.output {
            Format::Json => return output::json_line(&entries),
            Format::Yaml => return output::yaml(&entries),
            _ if known.list.is_empty() => {
                messages::line("no repositories to show");
                return Ok(());
            }
            _ => {}
        }
        let mut rows = Vec::new();
        if !self.no_headers {
            rows.push(["NAME", "URL"].map(str::to_owned).to_vec());
        }
        rows.extend(listed.map(|repository| vec![repository.name.clone(), repository.url.clone()]));
        output::text(&columns::text(&rows, usize::MAX))
    }
}

impl Update {
    fn run(&self) -> Result<(), Ending> {
        let places = self.places.places();
        let known = Repositories::load(&places).map_err(|error| fetching(&error))?;
        if known.list.is_empty() {
            let what = "no repositories found. You must add one before updating";
            return Err(failed(what.to_owned()).into());
        }
        if let Some(name) = self.names.iter().find(|name| known.named(name).is_none()) {
            return Err(failed(format!(
                "no repositories found matching '{name}'.  Nothing will be updated"
            ))
            .into());
        }
        output::line("Hang tight while we grab the latest from your chart repositories...")?;
        let http = self.time.http();
        let mut failures = Vec::new();
        for repository in &known.list {
            let (name, url) = (&repository.name, &repository.url);
            if !self.names.is_empty() && !self.names.contains(name) {
                continue;
            }
            match repository.update(&http, &places) {
                Ok(_) => output::line(&format!(
                    "...Successfully got an update from the {name:?} chart repository"
                ))?,
                Err(error) => {
                    output::text(&format!(
                        "...Unable to get an update from the {name:?} chart repository ({url}):\n\t{error}\n"
                    ))?;
                    failures.push(url.as_str());
                }
            }
        }
        if !failures.is_empty() {
            return Err(failed(format!(
                "failed to update the following repositories: [{}]",
                failures.join(" ")
            ))
            .into());
        }
        output::line("Update Complete. ⎈Happy Helming!⎈")
    }
}

impl Remove {
    fn run(&self) -> Result<(), Ending> {
        let places = self.places.places();
        let _alone = Repositories::lock(&places).map_err(|error| fetching(&error))?;
        let mut known = Repositories::load(&places).map_err(|error| fetching(&error))?;
        if known.list.is_empty() {
            return Err(failed("no repositories configured".to_owned()).into());
        }
        for name in &self.names {
            let Some(repository) = known.named(name).cloned() else {
                return Err(failed(format!("no repo named {name:?} found")).into());
            };
            known.list.retain(|repository| repository.name != *name);
            known.save(&places).map_err(|error| fetching(&error))?;
            repository
                .forget(&places)
                .map_err(|error| fetching(&error))?;
            output::line(&format!("{name:?} has been removed from your repositories"))?;
        }
        Ok(())
    }
}

impl MakeIndex {
    fn run(&self) -> Result<(), Ending> {
        let mut index =
            Index::of_folder(&self.folder, &self.url).map_err(|error| fetching(&error))?;
        if let Some(file) = &self.merge {
            let other = match Index::load(file) {
                Err(error) if error.is_missing_file() => {
                    let none = Index::empty();
                    write(file, &none, self.json)?;
                    none
                }
                other => other.map_err(|error| failed(format!("merge failed: {error}")))?,
            };
            index.merge(&other);
        }
        write(&self.folder.join("index.yaml"), &index, self.json)
    }
}

fn write(path: &PathBuf, index: &Index, as_json: bool) -> Result<(), Ending> {
    let text = index.to_text(as_json).map_err(|error| fetching(&error))?;
    fs::write(path, text).map_err(|error| failed(format!("{}: {error}", path.display())).into())
}
