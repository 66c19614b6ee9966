//! The charts embedded in the binary, and the values of their profiles.

use include_dir::{Dir, include_dir};

static MCP_SERVER: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../charts/mcp-server");
static MCPT_GATEWAY: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/../../charts/mcpt-gateway");

/// Names of the embedded charts: that of a server and that of the gateway.
pub const CHARTS: [&str; 2] = ["mcp-server", "mcpt-gateway"];

/// Name of the built-in chart that servers are deployed with.
pub(crate) const SERVER_CHART: &str = "mcp-server";

/// Names of the profiles that the chart `mcp-server` has values for.
pub const PROFILES: [&str; 4] = ["dev", "staging", "prod", "openshift"];

/// Files of an embedded chart as paths relative to the chart's folder and their bytes, in the order of the paths.
/// `None` when there is no chart of that name.
pub fn builtin_chart(
    name: &str,
) -> Option<impl Iterator<Item = (&'static str, &'static [u8])> + use<>> {
    let folder = match name {
        SERVER_CHART => &MCP_SERVER,
        "mcpt-gateway" => &MCPT_GATEWAY,
        _ => return None,
    };
    let mut files = Vec::new();
    collect(folder, &mut files);
    files.sort_unstable();
    Some(files.into_iter())
}

/// The YAML text of a profile's values for the chart `mcp-server`; `None` when there is no such profile.
pub fn profile_values(profile: &str) -> Option<&'static str> {
    if !PROFILES.contains(&profile) {
        return None;
    }
    MCP_SERVER
        .get_file(format!("values-{profile}.yaml"))?
        .contents_utf8()
}

fn collect(dir: &'static Dir<'static>, files: &mut Vec<(&'static str, &'static [u8])>) {
    for file in dir.files() {
        if let Some(path) = file.path().to_str() {
            files.push((path, file.contents()));
        }
    }
    for child in dir.dirs() {
        collect(child, files);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charts_are_embedded_whole() {
        for chart in CHARTS {
            let paths: Vec<_> = builtin_chart(chart)
                .unwrap()
                .map(|(path, bytes)| {
                    assert!(!bytes.is_empty(), "{path}");
                    path
                })
                .collect();
            for path in [
                ".helmignore",
                "Chart.yaml",
                "README.md",
                "templates/_helpers.tpl",
                "templates/tests/test-connection.yaml",
                "values.schema.json",
                "values.yaml",
            ] {
                assert!(paths.contains(&path), "{path} not in {paths:?} of {chart}");
            }
            assert!(paths.is_sorted());
        }
        assert!(builtin_chart("nginx").is_none());
    }

    #[test]
    fn every_profile_has_values() {
        for profile in PROFILES {
            assert!(profile_values(profile).unwrap().contains(":\n"));
        }
        assert_eq!(profile_values("../values"), None);
    }

    #[test]
    fn charts_name_the_image_of_this_version() {
        for chart in CHARTS {
            let (_, bytes) = builtin_chart(chart)
                .unwrap()
                .find(|(path, _)| *path == "Chart.yaml")
                .unwrap();
            let expected = format!("appVersion: {:?}", env!("CARGO_PKG_VERSION"));
            assert!(std::str::from_utf8(bytes).unwrap().contains(&expected));
        }
    }
}
