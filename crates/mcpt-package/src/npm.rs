//! Packages of npm, by npm itself: `npm install --package-lock-only` resolves, `npm ci` installs.

mod failure;
mod lock;

use std::{collections::BTreeMap, ffi::OsString, path::Path};

use mcpt_core::{Ecosystem, EntryPoint, Package};
use mcpt_source::{NpmPackage, NpmVersion};
use semver::Version;
use serde_json::{Map, Value, json};

use self::lock::Lock;
use crate::{
    entry_points,
    error::Cause,
    for_image::ImageTarget,
    node_range,
    request::ResolveOptions,
    tool::{Ran, Tool},
    workshop,
};

/// The file that names what is wanted.
const MANIFEST: &str = "package.json";
/// The file that fixes it.
const LOCK: &str = "package-lock.json";
/// The files of a lock, in order.
pub(crate) const FILES: [&str; 2] = [LOCK, MANIFEST];
/// The file in which npm writes down what it has installed.
const INSTALLED: &str = "node_modules/.package-lock.json";

/// Resolves a package to a lock with the integrity of each package in it. Addresses of registries are left out of it: they
/// are a matter of where it is installed.
pub(crate) async fn resolve(
    wanted: &NpmPackage,
    options: &ResolveOptions,
    requested: &str,
) -> Result<Package, Cause> {
    let npm = Tool::find("npm")?;
    let folder = workshop::folder("npm-")?;
    let dependencies: Map<String, Value> = [wanted]
        .into_iter()
        .chain(&wanted.with)
        .map(|package| (package.name.as_str().to_owned(), json!(specifier(package))))
        .collect();
    let manifest = json!({"name": "mcpt-package", "private": true, "dependencies": dependencies});
    write(folder.path(), MANIFEST, &manifest.to_string())?;
    let arguments = [
        "install",
        "--package-lock-only",
        "--package-lock=true",
        "--lockfile-version=3",
        "--omit-lockfile-registry-resolved",
        "--ignore-scripts",
    ];
    let ran = run(&npm, folder.path(), &arguments).await?;
    if !ran.success {
        let name = wanted.name.as_str();
        let mut cause = failure::cause(&ran, name);
        if let Cause::NoSuchVersion { near, .. } = &mut cause {
            *near = near_versions(&npm, folder.path(), wanted).await;
        }
        return Err(cause);
    }
    let path = folder.path().join(LOCK);
    let text = std::fs::read_to_string(&path)
        .map_err(Cause::io(format!("npm left no {}", path.display())))?;
    let mut lock = Lock::read(&text)?;
    lock.refuse_what_is_not_fixed()?;
    lock.pin();
    let locked = lock.package(wanted.name.as_str())?;
    let program = program(&lock, wanted, &locked.version)?;
    Ok(Package {
        ecosystem: Ecosystem::Npm,
        name: wanted.name.as_str().to_owned(),
        version: locked.version,
        requested: requested.to_owned(),
        entry_point: EntryPoint::Program(program),
        python: None,
        packages: lock.len(),
        install_scripts: if options.install_scripts {
            lock.install_scripts()
        } else {
            Vec::new()
        },
        lock: BTreeMap::from([
            (MANIFEST.to_owned(), lock.manifest().to_string()),
            (LOCK.to_owned(), lock.text()),
        ]),
    })
}

/// Whether the lock of a package says of each what it is.
///
/// # Errors
/// [`Cause`] when it is no lock, or leaves that open.
pub(crate) fn check_fixed(package: &Package) -> Result<(), Cause> {
    let lock = Lock::read(package.lock.get(LOCK).map_or("", String::as_str))?;
    lock.refuse_what_is_not_fixed()
}

/// The program that is run, as `npx` chooses it: with `--package` it runs any that is installed beside the package's own.
fn program(lock: &Lock, wanted: &NpmPackage, version: &str) -> Result<String, Cause> {
    let name = wanted.name.as_str();
    let known = lock.programs();
    let chosen = entry_points::choose(
        &known,
        wanted.bin.as_deref(),
        wanted.name.unscoped(),
        |one, other| one == other,
    );
    let otherwise = || match &wanted.bin {
        Some(named) => lock.has_program(named).then(|| named.clone()),
        None => lock.only_program(name),
    };
    chosen.or_else(otherwise).ok_or_else(|| Cause::NoProgram {
        package: format!("{name}@{version}"),
        choose: format!(
            "mcpt deploy -- npx -y -p {name} {}",
            known.first().map_or("PROGRAM", String::as_str)
        ),
        known,
        modules: Vec::new(),
    })
}

/// The version that the registry calls `latest`, if it is newer than this one.
pub(crate) async fn newer(wanted: &NpmPackage) -> Result<Option<String>, Cause> {
    let Some(NpmVersion::Exact(current)) = &wanted.version else {
        return Ok(None);
    };
    let npm = Tool::find("npm")?;
    let folder = workshop::folder("npm-")?;
    let arguments = ["view", wanted.name.as_str(), "dist-tags.latest"];
    let ran = run(&npm, folder.path(), &arguments).await?;
    if !ran.success {
        return Err(failure::cause(&ran, wanted.name.as_str()));
    }
    let latest: String = serde_json::from_str(&ran.stdout).map_err(|error| Cause::BadOutput {
        tool: "npm",
        why: format!("it names no latest version: {error}"),
    })?;
    let version = Version::parse(&latest).map_err(|error| Cause::BadOutput {
        tool: "npm",
        why: format!("{latest:?} is no version: {error}"),
    })?;
    Ok((version > *current).then_some(latest))
}

/// Why the authors of a package advise against the version of it that is locked.
pub(crate) fn deprecated(package: &Package) -> Option<String> {
    let lock = Lock::read(package.lock.get(LOCK)?).ok()?;
    lock.deprecated(&package.name)
}

/// What tells apart the places where a tree works: what is built for one Node.js need not run on another.
pub(crate) async fn identity(folder: &Path) -> Result<String, Cause> {
    let node = Tool::find("node")?;
    let question =
        "[process.version, process.versions.modules, process.platform, process.arch].join(' ')";
    let ran = node.run(folder, ["-p", question], &[]).await?;
    if !ran.success {
        return Err(Cause::ToolFailed {
            tool: "node",
            detail: ran.stderr.trim().to_owned(),
        });
    }
    Ok(ran.stdout.trim().to_owned())
}

/// The range of versions of Node.js that a package says it needs.
pub(crate) fn engine(package: &Package) -> Result<Option<String>, Cause> {
    let text = package.lock.get(LOCK).map_or("", String::as_str);
    Ok(Lock::read(text)?.package(&package.name)?.node)
}

/// Refuses a package that says that it needs another Node.js than this one; its dependencies' wishes are often stricter than
/// what they need, and npm only warns of them.
pub(crate) fn check_engine(package: &Package, identity: &str) -> Result<(), Cause> {
    let Some(needs) = engine(package)? else {
        return Ok(());
    };
    let has = identity.split(' ').next().unwrap_or_default();
    let version =
        Version::parse(has.trim_start_matches('v')).map_err(|error| Cause::BadOutput {
            tool: "node",
            why: format!("{has:?} is no version: {error}"),
        })?;
    if node_range::contains(&needs, &version) == Some(false) {
        return Err(Cause::NeedsNode {
            package: format!("{}@{}", package.name, package.version),
            needs,
            has: version.to_string(),
        });
    }
    Ok(())
}

/// Installs a lock into a folder that has its files, for this machine or for an image.
pub(crate) async fn install(
    package: &Package,
    folder: &Path,
    target: Option<&ImageTarget>,
) -> Result<(), Cause> {
    let npm = Tool::find("npm")?;
    let lock = Lock::read(package.lock.get(LOCK).map_or("", String::as_str))?;
    let holes = lock.has_holes();
    // `npm ci` does not install a lock in which something optional is missed. `npm install` does, and would fill the hole if it
    // could: what it made is compared with the lock.
    let mut arguments = if holes {
        vec!["install", "--no-save", "--package-lock=true"]
    } else {
        vec!["ci"]
    };
    arguments.push("--omit=dev");
    if package.install_scripts.is_empty() {
        arguments.push("--ignore-scripts");
    }
    let flags = target.map(ImageTarget::npm_flags).unwrap_or_default();
    arguments.extend(flags.iter().map(String::as_str));
    let mut variables = target.map(ImageTarget::npm_variables).unwrap_or_default();
    // An image has a Node.js of its own.
    if target.is_none()
        && !package.install_scripts.is_empty()
        && let Some(headers) = headers(folder).await?
    {
        variables.push(("npm_config_nodedir", headers));
    }
    let ran = run_with(&npm, folder, &arguments, &variables).await?;
    if !ran.success {
        return Err(failure::cause(&ran, &package.name));
    }
    if holes {
        let path = folder.join(INSTALLED);
        let installed = std::fs::read_to_string(&path)
            .map_err(Cause::io(format!("npm left no {}", path.display())))?;
        lock.check_installed(&installed)?;
    }
    Ok(())
}

/// The folder of a tree's programs.
pub(crate) const PROGRAMS: &str = "node_modules/.bin";

/// The folder whose `include` has the headers of the Node.js that is there, if it came with them: what builds native modules has
/// no need to fetch them then, and takes none of another version.
async fn headers(folder: &Path) -> Result<Option<OsString>, Cause> {
    let node = Tool::find("node")?;
    let ran = node.run(folder, ["-p", "process.execPath"], &[]).await?;
    let program = Path::new(ran.stdout.trim());
    let installed = program.parent().and_then(Path::parent);
    let with = installed.filter(|folder| folder.join("include/node/node.h").is_file());
    Ok(with.map(|folder| folder.as_os_str().to_owned()))
}

async fn run(npm: &Tool, folder: &Path, arguments: &[&str]) -> Result<Ran, Cause> {
    run_with(npm, folder, arguments, &[]).await
}

async fn run_with(
    npm: &Tool,
    folder: &Path,
    arguments: &[&str],
    variables: &[(&str, OsString)],
) -> Result<Ran, Cause> {
    let always = [
        "--json",
        "--loglevel=error",
        "--no-audit",
        "--no-fund",
        "--no-progress",
    ];
    let mut all = vec![("npm_config_update_notifier", OsString::from("false"))];
    all.extend(variables.iter().cloned());
    let arguments = arguments.iter().chain(&always);
    npm.run(folder, arguments, &all).await
}

/// What npm takes for a version.
fn specifier(package: &NpmPackage) -> String {
    match &package.version {
        None => "latest".to_owned(),
        Some(NpmVersion::Exact(version)) => version.to_string(),
        Some(NpmVersion::Tag(text) | NpmVersion::Range(text)) => text.clone(),
    }
}

/// Up to three versions that are like the wanted one, and the one called `latest`. None when npm does not tell: the failure
/// is complete without them.
async fn near_versions(npm: &Tool, folder: &Path, wanted: &NpmPackage) -> Vec<String> {
    let arguments = ["view", wanted.name.as_str(), "versions", "dist-tags.latest"];
    let Ok(ran) = run(npm, folder, &arguments).await else {
        return Vec::new();
    };
    let answer: Value = serde_json::from_str(&ran.stdout).unwrap_or_default();
    let versions: Vec<&str> = match &answer["versions"] {
        Value::Array(versions) => versions.iter().filter_map(Value::as_str).collect(),
        Value::String(only) => vec![only],
        _ => Vec::new(),
    };
    let mut near = lock::nearest(&specifier(wanted), &versions);
    if let Some(latest) = answer["dist-tags.latest"].as_str() {
        near.retain(|version| version != latest);
        near.push(format!("{latest} (the latest)"));
    }
    near
}

fn write(folder: &Path, name: &str, text: &str) -> Result<(), Cause> {
    let path = folder.join(name);
    std::fs::write(&path, text).map_err(Cause::io(format!("{} cannot be written", path.display())))
}
