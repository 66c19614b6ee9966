//! Container engines.

use crate::differences;

#[test]
fn container_engines() {
    let wrong = differences(&[
        ("docker run -i --rm mcp/fetch", "oci:mcp/fetch"),
        (
            "docker run --rm -it --init ghcr.io/github/github-mcp-server:v2.0.3 stdio",
            "oci:ghcr.io/github/github-mcp-server:v2.0.3 [stdio]",
        ),
        (
            "docker run -i --rm -e GITHUB_PERSONAL_ACCESS_TOKEN ghcr.io/github/github-mcp-server",
            "oci:ghcr.io/github/github-mcp-server GITHUB_PERSONAL_ACCESS_TOKEN={GITHUB_PERSONAL_ACCESS_TOKEN} {GITHUB_PERSONAL_ACCESS_TOKEN!}",
        ),
        (
            "GITHUB_PERSONAL_ACCESS_TOKEN=ghp_abcdef1234567890 docker run -i -e GITHUB_PERSONAL_ACCESS_TOKEN ghcr.io/github/github-mcp-server",
            "oci:ghcr.io/github/github-mcp-server GITHUB_PERSONAL_ACCESS_TOKEN={GITHUB_PERSONAL_ACCESS_TOKEN} {GITHUB_PERSONAL_ACCESS_TOKEN!=}",
        ),
        (
            "docker run -i --rm -e VISOTRUST_API_TOKEN=<your-api-token> viso-mcp-server",
            "oci:viso-mcp-server VISOTRUST_API_TOKEN={VISOTRUST_API_TOKEN} {VISOTRUST_API_TOKEN!}",
        ),
        (
            "docker run -i --rm -eREGION=eu --env TOKEN=$MY_TOKEN mcp/boxed:1",
            "oci:mcp/boxed:1 REGION=eu TOKEN={MY_TOKEN} {MY_TOKEN!}",
        ),
        (
            "docker run -i --rm --mount type=bind,src=/Users/me/Desktop,dst=/projects/Desktop,readonly mcp/filesystem /projects",
            "oci:mcp/filesystem [/projects] /Users/me/Desktop->/projects/Desktop read-only",
        ),
        (
            "docker run -i --rm -v /srv/data:/data:ro -v cache:/cache mcp/sqlite --db-path /data/x.db",
            "oci:mcp/sqlite [--db-path /data/x.db] /srv/data->/data read-only",
        ),
        (
            "docker run -i --rm -v \"$PWD:/workspace\" mcp/git",
            "oci:mcp/git {PWD}->/workspace {PWD}",
        ),
        (
            "docker run -i --rm -v C:\\Users\\me:/data mcp/git",
            "oci:mcp/git C:\\Users\\me->/data",
        ),
        (
            "docker run -d --name fetch -p 8000:8080 --network host --pull always mcp/fetch:latest",
            "oci:mcp/fetch:latest at http://localhost:8080/mcp",
        ),
        (
            "docker run -p 127.0.0.1:3000:3000/tcp quay.io/x/y@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "oci:quay.io/x/y@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa at http://localhost:3000/mcp",
        ),
        (
            "podman run -i --rm --entrypoint node docker.io/mcp/puppeteer dist/index.js",
            "oci:docker.io/mcp/puppeteer entrypoint node [dist/index.js]",
        ),
        (
            "docker container run --interactive --rm --env-file .env mcp/x",
            "oci:mcp/x",
        ),
        (
            "docker run -i --rm -v /var/run/docker.sock:/var/run/docker.sock mcp/docker",
            "oci:mcp/docker",
        ),
        (
            "docker exec -i box node x.js",
            "error: docker: this enters a container that is there already: give the command that makes it, or name its image as oci:IMAGE",
        ),
        (
            "docker compose up",
            "error: docker: a compose file is read with mcpt import FILE",
        ),
        (
            "docker mcp gateway run",
            "error: docker: this is a gateway of servers of its own: name the image of a server as oci:IMAGE",
        ),
        (
            "docker run -i --rm",
            "error: docker run is not told what to run: the image is missing",
        ),
        (
            "docker run -i --rm <image>",
            "error: \"<image>\" stands for the name of a package or image: put the name there",
        ),
        (
            "docker run -i --rm Mcp/UPPER:x",
            "error: \"Mcp/UPPER:x\" is no container image: its repository must be in lower case; the form is oci:[REGISTRY/]NAME[:TAG][@sha256:DIGEST]",
        ),
        (
            "docker build -t x .",
            "error: docker: this starts no server: name the image as oci:IMAGE",
        ),
    ]);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
