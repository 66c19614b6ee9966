//! Runners of Python packages.

use crate::differences;

#[test]
fn runners_of_python_packages() {
    let wrong = differences(&[
        ("uvx mcp-server-time", "pypi:mcp-server-time"),
        (
            "uvx mcp-server-time@latest --local-timezone=Europe/Berlin",
            "pypi:mcp-server-time [--local-timezone=Europe/Berlin]",
        ),
        (
            "uvx mcp-server-git@2026.10.19 --repository path/to/git/repo",
            "pypi:mcp-server-git==2026.10.19 [--repository {repository}] {repository}",
        ),
        (
            "uvx 'mcp-server-fetch>=2026'",
            "pypi:mcp-server-fetch>=2026",
        ),
        ("uvx --from reqable-mcp reqable-mcp", "pypi:reqable-mcp"),
        (
            "uvx --from docsray-mcp docsray",
            "pypi:docsray-mcp script docsray",
        ),
        (
            "uvx --from mypy==2.3.1 mypy --config x",
            "pypi:mypy==2.3.1 [--config x]",
        ),
        (
            "uvx --python 3.12 --from 'mcp-atlassian[all]' mcp-atlassian",
            "pypi:mcp-atlassian[all] python 3.12",
        ),
        (
            "uvx --with 'mcp<2' mcp-server-sqlite --db-path test.db",
            "pypi:mcp-server-sqlite with mcp<2 [--db-path test.db]",
        ),
        (
            "uvx --with pex,ruff --from dagster-cloud-cli dagster-cloud",
            "pypi:dagster-cloud-cli script dagster-cloud with pex with ruff",
        ),
        (
            "uvx --from serena-agent python -m serena.mcp",
            "pypi:serena-agent module serena.mcp",
        ),
        (
            "uvx --refresh -q --index-url https://pypi.test/simple blender-mcp",
            "pypi:blender-mcp",
        ),
        ("uvx.exe minimax-mcp -y", "pypi:minimax-mcp [-y]"),
        (
            "uv tool run awslabs.aws-documentation-mcp-server@latest",
            "pypi:awslabs.aws-documentation-mcp-server",
        ),
        (
            "uv run --with arxiv-mcp-server arxiv-mcp-server",
            "pypi:arxiv-mcp-server",
        ),
        (
            "uv run --with mcp-clickhouse --python 3.13 mcp-clickhouse",
            "pypi:mcp-clickhouse python 3.13",
        ),
        (
            "uv run --no-project --with elevenlabs-mcp python -m elevenlabs_mcp",
            "pypi:elevenlabs-mcp module elevenlabs_mcp",
        ),
        (
            "uv run --with httpx --with mcp-server-qdrant mcp-server-qdrant --transport stdio",
            "pypi:mcp-server-qdrant with httpx [--transport stdio]",
        ),
        (
            "uv run --with 'mcp[cli]>=2,<3' mcp run server.py",
            "program uv [run --with mcp[cli]>=2,<3 mcp run server.py]",
        ),
        (
            "uv --directory /srv/weather run weather.py",
            "program uv [--directory /srv/weather run weather.py]",
        ),
        ("uv run server.py", "program uv [run server.py]"),
        (
            "pipx run excel-mcp-server stdio",
            "pypi:excel-mcp-server [stdio]",
        ),
        (
            "pipx run --spec duckduckgo-mcp-server==0.7.0 ddg",
            "pypi:duckduckgo-mcp-server==0.7.0 script ddg",
        ),
        (
            "python -m mcp_server_fetch --ignore-robots-txt",
            "pypi:mcp-server-fetch module mcp_server_fetch [--ignore-robots-txt]",
        ),
        (
            "python3.12 -u -m postgres_mcp",
            "pypi:postgres-mcp module postgres_mcp",
        ),
        (
            "py -3 -m mcp_server_time",
            "pypi:mcp-server-time module mcp_server_time",
        ),
        (
            "python -m zzz_agent.main --transport stdio",
            "program python [-m zzz_agent.main --transport stdio]",
        ),
        (
            "python3 /srv/server.py --x",
            "program python3 [/srv/server.py --x]",
        ),
        (
            "node /srv/build/index.js",
            "program node [/srv/build/index.js]",
        ),
        (
            "uvx --from git+https://github.com/oraios/serena serena start-mcp-server",
            "error: uvx: \"git+https://github.com/oraios/serena\" is a repository, a folder or an archive: only packages of an index can be run, as pypi:NAME",
        ),
        (
            "uvx --from ./thing.whl thing",
            "error: uvx: \"./thing.whl\" is a repository, a folder or an archive: only packages of an index can be run, as pypi:NAME",
        ),
        (
            "uvx --with-editable . thing",
            "error: uvx: files of this machine cannot be installed with a package: name packages of an index",
        ),
        (
            "uvx",
            "error: uvx is not told what to run: the package is missing",
        ),
        (
            "pip install mcp-server-time",
            "error: pip: this installs something and starts no server: name the package itself, as pypi:NAME",
        ),
        (
            "python -m pip install x",
            "error: python: this installs something and starts no server: name the package itself, as pypi:NAME",
        ),
        (
            "uv pip install x",
            "error: uv: this installs something and starts no server: name the package itself, as pypi:NAME",
        ),
        (
            "poetry run thing",
            "error: poetry: this starts something of an environment of this machine: name the package as pypi:NAME",
        ),
    ]);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
