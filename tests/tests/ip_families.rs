//! Servers inside mcpt in networks of one IP family, as pods have them: two network namespaces that a wire joins, the servers in
//! one, who asks in the other. What they listen on is what the charts say.

#![expect(clippy::expect_used, reason = "a panic is how a test fails")]

use std::process::Command;

use mcpt_tests::mcpt_binary;

/// Makes the two namespaces, starts demo, bridge and gateway in the first, and asks all three from the second. The demo is asked
/// in its own as well, as a pod's probe asks. `$1` is the server's address, `$2` the other's, `$3` what to do with the first
/// namespace before.
const SCRIPT: &str = r#"
address=$1 other=$2 host=$1 family=-4
case $address in *:*) host="[$1]" family=-6 ;; esac
trap 'kill $(jobs -p)' EXIT
unshare --net sleep 600 & asks=$!
until [ "$(readlink /proc/$asks/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do :; done
from_there() { nsenter --target $asks --net -- "$@"; }
ip link set lo up
eval "$3"
ip link add here type veth peer name there netns $asks
from_there ip link set lo up
for end in "ip link set here up" "ip address add $address/$4 dev here $5" \
           "from_there ip link set there up" "from_there ip address add $other/$4 dev there $5" \
           "ip $family route add default dev here"; do $end; done

"$MCPT" demo --listen '[::]:8081' & "$MCPT" bridge --listen '[::]:8080' -- cat &
"$MCPT" gateway run --server "demo=http://$host:8081/mcp" --listen '[::]:8082' &
answers() { until "$@" --timeout 5; do kill -0 %2 %3 %4; sleep 0.1; done; }
answers from_there "$MCPT" probe "http://$host:8081/mcp"
answers from_there "$MCPT" probe "http://$host:8082/mcp/demo"
answers from_there "$MCPT" probe --http-get "http://$host:8080/healthz"
answers "$MCPT" probe --as-others http://localhost:8081/mcp
"#;

fn in_namespaces(arguments: [&str; 5]) {
    let home = tempfile::tempdir().expect("a folder");
    let output = Command::new("timeout")
        .args(["300", "unshare", "--net", "bash", "-euc", SCRIPT, "bash"])
        .args(arguments)
        .env("MCPT", mcpt_binary())
        .env("MCPT_STATE_DIR", home.path())
        .env_remove("PORT")
        .output()
        .expect("unshare");
    assert!(
        output.status.success(),
        "{arguments:?}: {}\n{}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Not even the loopback has an address of IPv4.
#[test]
fn ipv6_alone() {
    let no_ipv4 = "ip address del 127.0.0.1/8 dev lo";
    in_namespaces(["fd00::1", "fd00::2", no_ipv4, "64", "nodad"]);
}

/// Switched off by the setting that distributions document.
#[test]
fn ipv4_alone() {
    let no_ipv6 = "echo 1 > /proc/sys/net/ipv6/conf/all/disable_ipv6; \
                   echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6; \
                   echo 1 > /proc/sys/net/ipv6/conf/lo/disable_ipv6";
    in_namespaces(["10.9.0.1", "10.9.0.2", no_ipv6, "24", ""]);
}

/// Sockets of IPv6 take IPv4 only when they ask for it, where the system's default was turned round.
#[test]
fn both_where_the_default_separates_them() {
    let separate = "echo 1 > /proc/sys/net/ipv6/bindv6only";
    in_namespaces(["10.9.0.1", "10.9.0.2", separate, "24", ""]);
}
