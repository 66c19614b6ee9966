//! The grammar of sources: what each text is, and what is wrong with the others.

use mcpt_source::{Bundle, Source};

/// Kind and text of a source.
fn shown(text: &str) -> Result<String, String> {
    let source: Source = text
        .parse()
        .map_err(|error: mcpt_source::InvalidSource| error.to_string())?;
    let kind = match &source {
        Source::Template(_) => "template",
        Source::Npm(_) => "npm",
        Source::Pypi(_) => "pypi",
        Source::Oci(_) => "image",
        Source::Remote(_) => "remote",
        Source::Mcpb(Bundle::File(_)) => "bundle",
        Source::Mcpb(Bundle::Url { .. }) => "bundle at",
        Source::Folder(_) => "folder",
        Source::Registry(_) => "registry",
        Source::Program(_) => "program",
    };
    Ok(format!("{kind} {source}"))
}

#[test]
fn what_a_text_is() {
    for (text, expected) in [
        ("demo", "template demo"),
        ("npm:mcp-server-kubernetes", "npm npm:mcp-server-kubernetes"),
        ("npm:@playwright/mcp", "npm npm:@playwright/mcp"),
        (
            "npm:@playwright/mcp@0.0.83",
            "npm npm:@playwright/mcp@0.0.83",
        ),
        ("npm:n8n-mcp@latest", "npm npm:n8n-mcp"),
        ("npm:tavily-mcp@v0.2.22", "npm npm:tavily-mcp@0.2.22"),
        ("npm:exa-mcp-server@^3.4", "npm npm:exa-mcp-server@^3.4"),
        ("npm:exa-mcp-server@3", "npm npm:exa-mcp-server@3"),
        ("npm:exa-mcp-server@3.x", "npm npm:exa-mcp-server@3.x"),
        ("npm:x@>=1 <2", "npm npm:x@>=1 <2"),
        ("npm:repomix@next", "npm npm:repomix@next"),
        ("npm:JSONStream", "npm npm:JSONStream"),
        ("pypi:mcp-server-time", "pypi pypi:mcp-server-time"),
        (
            "pypi:mcp-server-time==2026.10.19",
            "pypi pypi:mcp-server-time==2026.10.19",
        ),
        (
            "pypi:mcp-server-time@2026.10.19",
            "pypi pypi:mcp-server-time==2026.10.19",
        ),
        ("pypi:mcp-server-time@latest", "pypi pypi:mcp-server-time"),
        (
            "pypi:markitdown-mcp==0.0.1a8",
            "pypi pypi:markitdown-mcp==0.0.1a8",
        ),
        (
            "pypi:fastmcp[cli,auth]>=2,<3",
            "pypi pypi:fastmcp[cli,auth]>=2,<3",
        ),
        ("pypi:mcp[cli] ~= 1.4", "pypi pypi:mcp[cli]~=1.4"),
        (
            "pypi:awslabs.aws-documentation-mcp-server",
            "pypi pypi:awslabs.aws-documentation-mcp-server",
        ),
        ("pypi:a===1.0", "pypi pypi:a==1.0"),
        ("pypi:a==1.*", "pypi pypi:a==1.*"),
        (
            "oci:ghcr.io/github/github-mcp-server",
            "image oci:ghcr.io/github/github-mcp-server",
        ),
        ("oci:mcp/fetch:1.0", "image oci:mcp/fetch:1.0"),
        ("docker:mcp/fetch", "image oci:mcp/fetch"),
        ("docker://mcp/fetch", "image oci:mcp/fetch"),
        (
            "ghcr.io/github/github-mcp-server",
            "image oci:ghcr.io/github/github-mcp-server",
        ),
        ("ghcr.io/name", "image oci:ghcr.io/name"),
        ("mcp/fetch", "image oci:mcp/fetch"),
        ("mcp/fetch:latest", "image oci:mcp/fetch:latest"),
        (
            "io.x/y@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "image oci:io.x/y@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        ),
        ("postgres:16", "image oci:postgres:16"),
        ("localhost:5000/x", "image oci:localhost:5000/x"),
        ("team.azurecr.io/x", "image oci:team.azurecr.io/x"),
        (
            "registry.example.com/team/x",
            "image oci:registry.example.com/team/x",
        ),
        (
            "https://mcp.context7.com/mcp",
            "remote https://mcp.context7.com/mcp",
        ),
        (
            "http://127.0.0.1:8080/mcp?x=1",
            "remote http://127.0.0.1:8080/mcp?x=1",
        ),
        (
            "https://example.com/a/server.mcpb",
            "bundle at mcpb:https://example.com/a/server.mcpb",
        ),
        (
            "mcpb:https://example.com/download",
            "bundle at mcpb:https://example.com/download",
        ),
        ("mcpb:server.mcpb", "bundle mcpb:server.mcpb"),
        ("./server.mcpb", "bundle mcpb:./server.mcpb"),
        ("server.DXT", "bundle mcpb:server.DXT"),
        ("./my-template", "folder ./my-template"),
        (".", "folder ."),
        ("../x", "folder ../x"),
        ("/srv/x", "folder /srv/x"),
        ("~/x", "folder ~/x"),
        ("io.github.owner/name", "registry io.github.owner/name"),
        (
            "io.github.owner/name@1.2.3",
            "registry io.github.owner/name@1.2.3",
        ),
        ("com.supabase/mcp@latest", "registry com.supabase/mcp"),
    ] {
        assert_eq!(shown(text).as_deref(), Ok(expected), "{text}");
        let again = expected.split_once(' ').unwrap().1;
        if !again.contains("mcpb:https") {
            assert_eq!(
                shown(again),
                shown(text),
                "{again} is read as it is written"
            );
        }
    }
}

#[test]
fn what_is_wrong_with_a_text() {
    let mut wrong = Vec::new();
    for (text, reason) in [
        ("", "it is empty"),
        ("Demo", "lower-case letters"),
        ("demo ", "begins or ends with a space"),
        ("a\u{1b}[2Jb", "control characters"),
        ("npm:a\nb", "control characters"),
        ("npm:pay\u{200b}pal", "invisible characters"),
        ("oci:a\u{202e}b", "invisible characters"),
        ("npm:", "the name is missing"),
        ("npm:../../etc/passwd", "a name is no path"),
        ("npm:a/../b", "a name is no path"),
        ("npm:@scope", "after @ come a scope, a slash and a name"),
        ("npm:@a/b/c", "a name is no path"),
        ("npm:@../x", "no part of a name begins with '.'"),
        ("npm:@/x", "a part of the name is empty"),
        ("npm:a\\b", "a name is no path"),
        ("npm:a%2fb", "letters, digits"),
        ("npm:аpple", "letters, digits"),
        ("npm:--registry=x", "no part of a name begins with"),
        ("npm:-g", "no part of a name begins with"),
        ("npm:node_modules", "allows no package of this name"),
        ("npm:a b", "letters, digits"),
        ("npm:a;rm -rf ~", "letters, digits"),
        ("npm:a@", "the version after @ is missing"),
        ("npm:a@file:../x", "no paths, addresses and aliases"),
        ("npm:a@npm:b", "no paths, addresses and aliases"),
        (
            "npm:a@https://x.test/y.tgz",
            "no paths, addresses and aliases",
        ),
        ("npm:a@owner/repo", "no paths, addresses and aliases"),
        ("npm:a@$(id)", "after @ comes a version"),
        ("@scope/name", "write npm:@scope/name"),
        ("pypi:", "the name is missing"),
        ("pypi:../x", "a name is no path"),
        ("pypi:-r", "begins and ends with a letter"),
        ("pypi:a b", "before a version stands"),
        ("pypi:a[", "is not closed"),
        ("pypi:a[../x]", "a name is no path"),
        ("pypi:a==", "the version is missing"),
        ("pypi:a==../../x", "no paths and addresses"),
        ("pypi:a @ https://x.test/y.whl", "no paths and addresses"),
        ("pypi:a; python_version<'3'", "no conditions"),
        ("pypi:a=1", "before a version stands"),
        ("mcp-server-time==2026.10.19", "pypi:NAME==VERSION"),
        ("tavily-mcp@0.2", "npm:NAME@VERSION"),
        ("oci:a/UPPER", "container image"),
        ("oci:a/../b", "container image"),
        ("oci:--privileged", "container image"),
        ("nmp:x", "did you mean \"npm\"?"),
        ("pipy:x", "pypi:NAME"),
        ("pyp:x", "did you mean \"pypi\"?"),
        ("npx:x", "npm:NAME"),
        ("cargo:x", "crates cannot be run yet"),
        ("github:owner/repo", "not built from Git repositories"),
        (
            "git+https://github.test/o/r",
            "not built from Git repositories",
        ),
        ("git://github.test/o/r", "not built from Git repositories"),
        ("ftp://x.test/y", "http and https alone"),
        ("file:///etc/passwd", "./FOLDER"),
        ("https://", "empty host"),
        (
            "https://user:hunter2@example.com/mcp",
            "do not belong into an address",
        ),
        ("https://example.com/mcp#x", "never sent"),
        ("mcpb:", "the file is missing"),
        ("mcpb:ftp://x.test/a.mcpb", "http and https alone"),
        (
            "https://u:hunter2@example.com/a.mcpb",
            "do not belong into an address",
        ),
        ("io.github.owner/", "a part of it is empty"),
        ("io.github.owner/na me", "letters, digits"),
        ("io..github/name", "between two dots"),
        ("io.github.owner/..", "between two dots"),
        ("io.github.owner/name@", "the version after @ is missing"),
        ("io.github.owner/name@../x", "no slash"),
    ] {
        let error = shown(text).err().unwrap_or_default();
        if !error.contains(reason) {
            wrong.push(format!("{text}: {error}"));
        }
        assert!(!error.contains("hunter2"), "{error}");
        assert!(!error.chars().any(char::is_control), "{error:?}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let long = format!("npm:{}", "a".repeat(5000));
    assert!(shown(&long).unwrap_err().len() < 500);
    assert!(
        shown(&format!("npm:{}", "a".repeat(215)))
            .unwrap_err()
            .contains("214")
    );
}

#[test]
fn names_of_python_packages_are_compared_as_indexes_do() {
    let name = |text: &str| mcpt_source::PypiName::new(text).unwrap();
    assert_eq!(name("Mcp_Server..Time"), name("mcp-server-time"));
    assert_eq!(name("Mcp_Server").as_str(), "Mcp_Server");
    assert_ne!(name("mcp"), name("mcp2"));
}
