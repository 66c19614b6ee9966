//! Settings of original templates to plans: where each value ends, and the exact reports of bad ones.

#![expect(
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a test fails"
)]

use std::path::Path;

use mcpt_catalog::{Catalog, Settings, Template, chart_values, compile};
use mcpt_core::{Arg, Image, Mount, Plan, REDACTED, Sessions, Transport};

type Pairs<'a> = &'a [(&'a str, &'a str)];

fn original(id: &str) -> Template {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/templates");
    match Catalog::new([folder]).get(id) {
        Ok(template) => template,
        Err(error) => panic!("{error}"),
    }
}

fn pairs(pairs: Pairs<'_>) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn settings(config: Pairs<'_>) -> Settings {
    Settings {
        config: pairs(config),
        working_dir: Some("/home/me".into()),
        ..Settings::default()
    }
}

fn plan(template: &Template, config: Pairs<'_>) -> Plan {
    match compile(template, &settings(config)) {
        Ok(plan) => plan,
        Err(error) => panic!("{error}"),
    }
}

fn problems(template: &Template, config: Pairs<'_>) -> Vec<String> {
    let error = compile(template, &settings(config)).expect_err("settings that do not fit");
    error.problems.iter().map(ToString::to_string).collect()
}

fn env(plan: &Plan) -> Vec<(&str, &str)> {
    let pairs = plan.env.iter();
    pairs
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}

#[test]
fn defaults_alone() {
    let plan = plan(&original("observatory"), &[]);
    assert_eq!(plan.name.as_str(), "observatory");
    assert_eq!(plan.template_version, "1.4.0");
    assert_eq!(
        plan.image,
        Some(Image {
            repository: "example.org/observatory".into(),
            tag: Some("1.4".into()),
            digest: None,
            pull_policy: None
        })
    );
    assert_eq!(
        plan.transport,
        Transport::Http {
            port: 7071,
            path: "/mcp".into(),
            port_env: Some("MCP_PORT".into())
        }
    );
    assert_eq!(
        env(&plan),
        [
            ("MCP_AUTH_MODE", "none"),
            ("MCP_CACHE_SECONDS", "60"),
            ("MCP_CATALOGUES", "messier:ngc"),
            ("MCP_LOG_LEVEL", "info"),
            ("MCP_SITE", "La Silla"),
            ("MCP_TRANSPORT", "http"),
        ]
    );
    assert_eq!(plan.secrets["MCP_DOME_PASSWORD"].expose(), "swordfish");
    assert_eq!(plan.secrets.len(), 1, "an empty default is none");
    assert_eq!(
        plan.mounts,
        [Mount {
            setting: "plates".into(),
            host: Some("/tmp".into()),
            container: "/mnt/tmp".into(),
            read_only: false,
        }]
    );
    assert_eq!(plan.args, [Arg::Mount(0)]);
    assert_eq!(plan.sessions, Sessions::Stateful);
    assert_eq!(plan.replicas, None);
}

#[test]
fn values_reach_their_places() {
    let plan = plan(
        &original("observatory"),
        &[
            ("MCP_SITE", "Paranal"),
            ("catalogues", "hip: ngc"),
            ("auth_mode", "token"),
            ("auth_token", "hunter2hunter2"),
            ("plates", "/a:/plates b"),
            ("transport", "stdio"),
        ],
    );
    assert_eq!(plan.transport, Transport::Stdio);
    assert_eq!(plan.env["MCP_TRANSPORT"], "stdio");
    assert_eq!(plan.env["MCP_SITE"], "Paranal");
    assert_eq!(plan.env["MCP_CATALOGUES"], "hip:ngc");
    assert_eq!(plan.secrets["MCP_AUTH_TOKEN"].expose(), "hunter2hunter2");
    assert!(!plan.env.contains_key("MCP_AUTH_TOKEN"));
    let places: Vec<_> = plan
        .mounts
        .iter()
        .map(|mount| {
            (
                mount.host.as_deref().and_then(Path::to_str),
                mount.container.as_str(),
            )
        })
        .collect();
    assert_eq!(
        places,
        [
            (Some("/a"), "/plates"),
            (Some("/home/me/b"), "/mnt/home/me/b")
        ]
    );
    assert_eq!(plan.args, [Arg::Mount(0), Arg::Mount(1)]);
    assert!(format!("{plan:?}").contains(REDACTED));
    assert!(!format!("{plan:?}").contains("hunter2"));
}

#[test]
fn stdio_with_flags_and_one_path_everywhere() {
    let plan = plan(
        &original("ticket-desk"),
        &[
            ("desk_token", "t"),
            ("verbose", "yes"),
            ("queue", "-urgent"),
            ("attachments", "files"),
        ],
    );
    let image = plan.image.as_ref().map(Image::reference);
    assert_eq!(
        image.as_deref(),
        Some("registry.example.org:5000/desk/server:0.9.1")
    );
    assert_eq!(plan.transport, Transport::Stdio);
    assert_eq!(
        plan.args,
        [
            Arg::Text("--verbose".into()),
            Arg::Text("--queue=-urgent".into())
        ]
    );
    assert_eq!(
        env(&plan),
        [
            ("DESK_ATTACHMENTS", "/home/me/files"),
            ("DESK_TOOLSET", "all"),
            ("READ_ONLY", "0"),
        ]
    );
    assert_eq!(plan.mounts[0].container, "/home/me/files");
    assert_eq!(plan.secrets["DESK_PERSONAL_TOKEN"].expose(), "t");
}

#[test]
fn types_and_the_port_setting() {
    let template = original("warehouse");
    let plan = plan(
        &template,
        &[
            ("db_host", "db"),
            ("db_user", "me"),
            ("db_password", "longenough"),
            ("timeout", "1e1"),
            ("weights", "1, 2.5"),
            ("labels", r#"{"a": "b"}"#),
            ("port", "9000"),
            ("ssh_tunnel", "off"),
        ],
    );
    assert_eq!(
        plan.transport,
        Transport::Http {
            port: 9000,
            path: "/mcp".into(),
            port_env: Some("MCP_PORT".into())
        }
    );
    assert_eq!(
        env(&plan),
        [
            ("DB_HOST", "db"),
            ("DB_PORT", "5432"),
            ("DB_USER", "me"),
            ("LABELS", r#"{"a":"b"}"#),
            ("MCP_TRANSPORT", "streamable-http"),
            ("SSH_TUNNEL", "false"),
            ("SSL_MODE", "disable"),
            ("TIMEOUT", "10.0"),
            ("WEIGHTS", "1,2.5"),
        ]
    );
}

#[test]
fn variables() {
    let template = original("ticket-desk");
    let with_env = |given: Pairs<'_>| {
        let mut settings = settings(&[("desk_token", "from config")]);
        settings.env = pairs(given);
        compile(&template, &settings)
    };
    let plan = with_env(&[
        ("DESK_PERSONAL_TOKEN", "from env"),
        ("EXTRA", "1"),
        ("OTHER_API_KEY", "k"),
    ])
    .expect("a plan");
    assert_eq!(plan.secrets["DESK_PERSONAL_TOKEN"].expose(), "from env");
    assert_eq!(plan.secrets["OTHER_API_KEY"].expose(), "k");
    assert_eq!(plan.env["EXTRA"], "1");

    let error = with_env(&[("READ_ONLY", "2"), ("A-B", "x"), ("1A", "x")]).expect_err("problems");
    let problems: Vec<_> = error.problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        problems,
        [
            "\"A-B\" cannot name an environment variable: letters, digits and _ only, not beginning with a digit",
            "\"1A\" cannot name an environment variable: letters, digits and _ only, not beginning with a digit",
            "read_only: 2 is greater than 1",
        ]
    );
}

#[test]
fn the_transport_and_its_port() {
    let template = original("observatory");
    let transport = |config: &[(&str, &str)], env: &[(&str, &str)], flag: Option<&str>| {
        let mut settings = settings(config);
        settings.env = pairs(env);
        settings.transport = flag.map(str::to_owned);
        let plan = compile(&template, &settings).expect("a plan");
        plan.env["MCP_TRANSPORT"].clone()
    };
    assert_eq!(transport(&[("transport", "stdio")], &[], None), "stdio");
    let twice = [("transport", "stdio"), ("MCP_TRANSPORT", "http")];
    assert_eq!(transport(&twice, &[], None), "http");
    let by_variable = [("MCP_TRANSPORT", "stdio")];
    assert_eq!(
        transport(&[("transport", "http")], &by_variable, None),
        "stdio"
    );
    assert_eq!(transport(&[], &by_variable, Some("http")), "http");

    let mut settings = settings(&[]);
    settings.env = pairs(&[("MCP_PORT", "1")]);
    let error = compile(&template, &settings).expect_err("a port that nobody asks");
    assert_eq!(
        error.problems[0].message,
        "MCP_PORT tells the server the port that it is reached at, and mcpt sets it"
    );
}

#[test]
fn overrides() {
    let mut given = settings(&[]);
    given.name = Some("sky".parse().expect("a name"));
    given.replicas = Some(2);
    given.resources.limits.insert("cpu".into(), "2".into());
    given.transport = Some("streamable-http".into());
    let plan = compile(&original("observatory"), &given).expect("a plan");
    assert_eq!(plan.name.as_str(), "sky");
    assert_eq!(plan.replicas, Some(2));
    assert_eq!(plan.resources.limits["cpu"], "2");
    assert_eq!(plan.env["MCP_TRANSPORT"], "http");
}

#[test]
fn every_problem_in_one_report() {
    let template = original("warehouse");
    let cases: &[(Pairs<'_>, &[&str])] = &[
        (
            &[],
            &[
                "db_user is required: give -c db_user=VALUE",
                "db_host is required: give -c db_host=VALUE (Host of the database)",
                "db_password is required: give -c db_password=VALUE",
            ],
        ),
        (
            &[
                ("db_hots", "a"),
                ("db_user", "ME"),
                ("db_password", "hunter2"),
                ("db_port", "many"),
                ("timeout", "0"),
                ("weights", "1,x"),
                ("labels", "[]"),
                ("ssl_mode", "loud"),
                ("ssh_tunnel", "perhaps"),
                ("port", "80"),
            ],
            &[
                "unknown setting \"db_hots\": did you mean \"db_host\"?",
                "db_port: \"many\" is not an integer",
                "ssh_tunnel: \"perhaps\" is not a boolean: true or false",
                "weights: \"1,x\" is wrong: item 2 is not a number",
                "labels: \"[]\" is not a JSON object",
                "db_password: the value is shorter than 8 characters",
                "db_user: \"ME\" does not match the pattern ^[a-z]+$",
                "port: 80 is less than 1024",
                "ssl_mode: \"loud\" is not one of disable, require, verify-ca",
                "timeout: 0 is not greater than 0",
                "db_host is required: give -c db_host=VALUE (Host of the database)",
            ],
        ),
        (
            &[
                ("db_host", ""),
                ("db_user", "me"),
                ("ssh_tunnel", "true"),
                ("ssl_mode", "verify-ca"),
                ("labels", r#"{"a": 1}"#),
                ("transport", "sse"),
            ],
            &[
                "transport \"sse\" was replaced by streamable HTTP in the protocol: use streamable-http",
                "db_host: it is empty",
                "labels: at a: 1 is not a string",
                "ssh_host is required: give -c ssh_host=VALUE",
                "ssh_user is required: give -c ssh_user=VALUE",
                "ssl_ca is required: give -c ssl_ca=VALUE",
            ],
        ),
    ];
    for (config, expected) in cases {
        let mut found = problems(&template, config);
        let mut expected = expected.to_vec();
        found.sort();
        expected.sort_unstable();
        assert_eq!(found, expected);
    }
}

#[test]
fn alternatives_are_spelled_out() {
    let template = original("observatory");
    assert_eq!(
        problems(&template, &[("auth_mode", "basic"), ("auth_user", "me")]),
        [
            "one of these is needed: -c auth_mode=none; or -c auth_mode=token and -c auth_token=VALUE; or -c auth_password=VALUE"
        ]
    );
    assert_eq!(
        problems(
            &template,
            &[
                ("transport", "carrier-pigeon"),
                ("plates", "/a /b:/mnt/a ~/c")
            ]
        ),
        [
            "transport \"carrier-pigeon\" is not supported: use http or stdio",
            "plates: two folders cannot both be at /mnt/a",
            "plates: \"~/c\" is not expanded here: write the full path",
        ]
    );
}

#[test]
fn a_session_of_a_stdio_server_stays_on_its_instance() {
    let mut template = original("observatory");
    template.sessions = Sessions::Stateless;
    assert_eq!(plan(&template, &[]).sessions, Sessions::Stateless);
    let by_stdio = plan(&template, &[("transport", "stdio")]);
    assert_eq!(by_stdio.sessions, Sessions::Stateful);
    // One at a time is the bridge's to see to, which an http server does not have.
    template.sessions = Sessions::Single;
    assert_eq!(plan(&template, &[]).sessions, Sessions::Stateful);
    let by_stdio = plan(&template, &[("transport", "stdio")]);
    assert_eq!(by_stdio.sessions, Sessions::Single);
    assert_eq!(chart_values(&by_stdio)["mcp"]["maxSessions"], 1);
}

#[test]
fn a_stdio_image_needs_a_command() {
    let mut template = original("ticket-desk");
    template.command.clear();
    assert_eq!(
        problems(&template, &[("desk_token", "t")]),
        [
            "the template has an image but no command, and the bridge must know which program a stdio server is: add \"command\" to template.json"
        ]
    );
}
