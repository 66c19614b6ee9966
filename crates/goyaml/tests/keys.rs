//! Keys that JSON has no text for, in the words of sigs.k8s.io/yaml.

#[test]
fn keys_without_a_text_are_told_with_their_values() {
    let nothing = "unsupported map key of type: %!s(<nil>), key: <nil>, value: ";
    for (document, value) in [
        ("~: 1", "1"),
        ("null: ", "<nil>"),
        ("? \n: x", "\"x\""),
        (
            "~: [1, ~, .nan, -.inf]",
            "[]interface {}{1, interface {}(nil), NaN, -Inf}",
        ),
        ("~: {a: true}", "map[interface {}]interface {}{\"a\":true}"),
        ("~: 1\nnull: 2", "2"),
        ("~: 1\nb: .inf", "1"),
    ] {
        let error = goyaml::from_str(document).map_err(|e| e.to_string());
        let wanted = format!("error converting YAML to JSON: {nothing}{value}");
        assert_eq!(error, Err(wanted), "{document}");
    }
    let error = goyaml::from_str("~: 1\nb: ]").map_err(|e| e.to_string());
    let wanted = "error converting YAML to JSON: yaml: line 1: did not find expected node content";
    assert_eq!(
        error,
        Err(wanted.to_owned()),
        "what is no YAML is told first"
    );
}
