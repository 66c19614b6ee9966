//! One package or remote of a server as a recipe.

use mcpt_core::Image;
use url::Url;

use super::{
    Offer, Unusable,
    argument::{Settings, decoded, variables},
    exact_version,
    fields::Fields,
    runtime,
};
use crate::{
    Bundle, Format, Note, NpmPackage, NpmVersion, Part, PypiPackage, PypiVersion, Recipe, Remote,
    RemoteKind, SharedFolder, Source, Text, Transport,
};

/// A package.
pub(super) fn package(fields: &Fields<'_>, problems: &mut Vec<String>) -> Offer {
    let recipe = package_recipe(fields, problems);
    Offer {
        place: fields.place().to_owned(),
        recipe: recipe.map(Box::new),
    }
}

fn package_recipe(fields: &Fields<'_>, problems: &mut Vec<String>) -> Result<Recipe, Unusable> {
    let before = problems.len();
    let kind = fields.required("registryType", problems);
    let identifier = fields.required("identifier", problems);
    let version = fields.text("version", problems);
    if let Some(version) = version {
        exact_version(&fields.at("version"), version, problems);
    }
    let wrong = || Unusable("it is described wrongly".to_owned());
    let (Some(kind), Some(identifier)) = (kind, identifier) else {
        return Err(wrong());
    };
    let source = match kind {
        "npm" => npm(identifier, version),
        "pypi" => pypi(identifier, version),
        "oci" | "docker" => oci(fields, identifier, version, problems),
        "mcpb" => mcpb(fields, identifier, problems),
        "nuget" => return Err(Unusable("NuGet packages cannot be run yet".to_owned())),
        "cargo" => return Err(Unusable("crates cannot be run yet".to_owned())),
        other => {
            let kind: String = other.chars().take(40).collect();
            return Err(Unusable(format!(
                "nothing is known of packages of the kind {kind:?}"
            )));
        }
    };
    let source = source
        .map_err(|reason| problems.push(format!("{}: {reason}", fields.at("identifier"))))
        .map_err(|()| wrong())?;
    let mut recipe = Recipe::new(source);
    let mut settings = Settings::default();
    for variable in fields.objects("environmentVariables", problems) {
        let Some(name) = variable.required("name", problems) else {
            continue;
        };
        if !is_variable(name) {
            problems.push(format!(
                "{}: it is no name of a variable",
                variable.at("name")
            ));
            continue;
        }
        let raw = settings.raw(&variable, name, problems);
        recipe.env.insert(name.to_owned(), decoded(&raw));
    }
    let words = runtime::words(fields, "packageArguments", &mut settings, problems);
    recipe.args.extend(words.iter().map(|word| decoded(word)));
    runtime::apply(fields, &mut recipe, &mut settings, problems);
    // Whoever wrote the file has no say in what of this machine the server sees.
    let chosen = |folder: &&SharedFolder| !matches!(folder.host.parts(), [Part::Setting(_)]);
    if let Some(folder) = recipe.folders.iter().find(chosen) {
        return Err(Unusable(format!(
            "it chooses a folder of this machine itself, {}, which is for whoever deploys it to choose",
            folder.host
        )));
    }
    transport(fields, &mut recipe, &mut settings, problems);
    recipe.settings = settings.all;
    keep_used(&mut recipe);
    if problems.len() > before {
        return Err(wrong());
    }
    Ok(recipe)
}

fn because(reason: &str) -> Unusable {
    Unusable(reason.to_owned())
}

fn npm(identifier: &str, version: Option<&str>) -> Result<Source, Unusable> {
    let mut package: NpmPackage = identifier
        .parse()
        .map_err(|error: crate::InvalidSource| Unusable(error.reason))?;
    if package.version.is_some() {
        return Err(because("the version is a field of its own"));
    }
    if let Some(version) = version {
        package.version = NpmVersion::parse(version).map_err(because)?;
    }
    Ok(Source::Npm(package))
}

fn pypi(identifier: &str, version: Option<&str>) -> Result<Source, Unusable> {
    let mut package: PypiPackage = identifier
        .parse()
        .map_err(|error: crate::InvalidSource| Unusable(error.reason))?;
    if package.version.is_some() {
        return Err(because("the version is a field of its own"));
    }
    if let Some(version) = version {
        package.version = PypiVersion::after_at(version).map_err(because)?;
    }
    Ok(Source::Pypi(package))
}

/// A whole reference; older files have registry and tag in fields of their own.
fn oci(
    fields: &Fields<'_>,
    identifier: &str,
    version: Option<&str>,
    problems: &mut Vec<String>,
) -> Result<Source, Unusable> {
    let mut reference = identifier.to_owned();
    if let Some(base) = fields.text("registryBaseUrl", problems) {
        let host = Url::parse(base).ok().and_then(|url| {
            let host = url.host_str()?.to_owned();
            Some(match url.port() {
                Some(port) => format!("{host}:{port}"),
                None => host,
            })
        });
        let Some(host) = host else {
            return Err(because("registryBaseUrl is no address"));
        };
        if !reference.starts_with(&format!("{host}/")) {
            reference = format!("{host}/{reference}");
        }
    }
    let image = Image::parse(&reference).map_err(|error| match error {
        mcpt_core::InvalidImage::Grammar { reason, .. } => because(reason),
        error @ mcpt_core::InvalidImage::TwoImages { .. } => Unusable(error.to_string()),
    })?;
    let image =
        match version {
            // Some repeat the tag, others say the version of what is in it.
            Some(version) if image.tag.is_none() && image.digest.is_none() => image
                .with_tag(version)
                .map_err(|error| Unusable(error.to_string()))?,
            _ => image,
        };
    Ok(Source::Oci(image))
}

fn mcpb(
    fields: &Fields<'_>,
    identifier: &str,
    problems: &mut Vec<String>,
) -> Result<Source, Unusable> {
    let url = Url::parse(identifier).map_err(|_| because("it is no address of a bundle"))?;
    if url.scheme() != "https" {
        return Err(because("bundles of registries are fetched by https alone"));
    }
    let Some(hash) = fields.text("fileSha256", problems) else {
        return Err(because("a bundle has fileSha256 beside it"));
    };
    if hash.len() != 64 || !hash.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(because("fileSha256 has 64 hexadecimal digits"));
    }
    Ok(Source::Mcpb(Bundle::Url {
        url,
        sha256: Some(hash.to_ascii_lowercase()),
    }))
}

/// How a package speaks once it runs.
fn transport(
    fields: &Fields<'_>,
    recipe: &mut Recipe,
    settings: &mut Settings,
    problems: &mut Vec<String>,
) {
    let Some(transport) = fields.object("transport", problems) else {
        // The first schema knew packages without it.
        return;
    };
    match transport.required("type", problems) {
        None | Some("stdio") => {}
        Some("streamable-http" | "sse") => {
            let Some(url) = transport.required("url", problems) else {
                return;
            };
            let variables = variables(&transport, problems);
            recipe.transport = Transport::Http {
                url: settings.text(url, &variables),
            };
        }
        Some(_) => {
            let place = transport.at("type");
            problems.push(format!("{place}: it is stdio, streamable-http or sse"));
        }
    }
}

/// A server that runs elsewhere.
pub(super) fn remote(fields: &Fields<'_>, problems: &mut Vec<String>) -> Offer {
    let recipe = remote_recipe(fields, problems);
    Offer {
        place: fields.place().to_owned(),
        recipe: recipe.map(Box::new),
    }
}

fn remote_recipe(fields: &Fields<'_>, problems: &mut Vec<String>) -> Result<Recipe, Unusable> {
    let wrong = || Unusable("it is described wrongly".to_owned());
    let kind = match fields
        .get("type")
        .or_else(|| fields.get("transport_type"))
        .and_then(|kind| kind.as_str())
    {
        Some("streamable-http") => RemoteKind::StreamableHttp,
        Some("sse") => RemoteKind::Sse,
        _ => {
            problems.push(format!(
                "{}: it is streamable-http or sse",
                fields.at("type")
            ));
            return Err(wrong());
        }
    };
    let url = fields.required("url", problems).ok_or_else(wrong)?;
    let mut settings = Settings::default();
    let variables = variables(fields, problems);
    let url = settings.text(url, &variables);
    let mut remote = Remote::new(url)
        .map_err(|error| problems.push(format!("{}: {}", fields.at("url"), error.reason)))
        .map_err(|()| wrong())?;
    remote.kind = Some(kind);
    for header in fields.objects("headers", problems) {
        let Some(name) = header.required("name", problems) else {
            continue;
        };
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if !name.chars().all(token) {
            problems.push(format!("{}: it is no name of a header", header.at("name")));
            continue;
        }
        let raw = settings.raw(&header, name, problems);
        remote.headers.insert(name.to_owned(), decoded(&raw));
    }
    let mut recipe = Recipe::new(Source::Remote(remote));
    recipe.settings = settings.all;
    keep_used(&mut recipe);
    Ok(recipe)
}

/// Settings that nothing names cannot be set; a text that names what nobody describes stays as it is.
fn keep_used(recipe: &mut Recipe) {
    let used: Vec<String> = recipe
        .texts()
        .flat_map(Text::settings)
        .map(str::to_owned)
        .collect();
    recipe.settings.retain(|name, _| used.contains(name));
    let open: Vec<String> = recipe.texts().filter_map(undescribed).collect();
    for name in open {
        recipe.notes.push(Note(format!(
            "{name} stays as it is: nothing describes what stands for it"
        )));
    }
    let paths = recipe
        .settings
        .values()
        .any(|setting| setting.format == Format::Path);
    if paths && matches!(recipe.source, Source::Oci(_)) && recipe.folders.is_empty() {
        recipe.notes.push(Note(
            "a setting is a path: in a container only folders that are shared with it are there"
                .to_owned(),
        ));
    }
}

/// Something in braces that no variable stands for.
fn undescribed(text: &Text) -> Option<String> {
    text.parts().iter().find_map(|part| {
        let Part::Plain(plain) = part else {
            return None;
        };
        let (_, behind) = plain.split_once('{')?;
        let (inside, _) = behind.split_once('}')?;
        let named = !inside.is_empty()
            && inside
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "_-.".contains(c));
        named.then(|| format!("{{{inside}}}"))
    })
}

fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && !name.contains(['=', '\0'])
        && !name.chars().any(|c| c.is_control() || c == ' ')
}
