//! The network between the machines: a bridge in the control plane's namespace, a link to each node,
//! and static routes to the pods of each. There is no default route, so that nothing leaves.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, bail};

use super::layout::{CONTROL_PLANE_ADDRESS, Node, SERVICE_RANGE};
use super::machine::Machine;
use crate::command;

/// Fails when the kernel lets packets between the pods of one node pass the rules of services by.
pub(crate) fn require_bridge_filter() -> anyhow::Result<()> {
    let switch = "/proc/sys/net/bridge/bridge-nf-call-iptables";
    if !Path::new(switch).exists() {
        bail!(
            "the cluster needs the kernel module br_netfilter; load it with: modprobe br_netfilter"
        );
    }
    Ok(())
}

/// Connects the machines.
pub(crate) fn connect(control_plane: &Machine, nodes: &[(Node, Machine)]) -> anyhow::Result<()> {
    let inits: Vec<_> = nodes
        .iter()
        .map(|(node, machine)| (*node, machine.init))
        .collect();
    configure(control_plane, &bridge(&inits), &["net/ipv4/ip_forward"])?;
    for (node, machine) in nodes {
        let others = inits
            .iter()
            .map(|(other, _)| *other)
            .filter(|other| other != node);
        configure(
            machine,
            &link(*node, others),
            // Services are reachable on the node's loopback too.
            &["net/ipv4/ip_forward", "net/ipv4/conf/all/route_localnet"],
        )?;
    }
    Ok(())
}

fn configure(machine: &Machine, batch: &str, switches: &[&str]) -> anyhow::Result<()> {
    let explain = || format!("cannot configure the network of {}", machine.name);
    let mut ip = machine.enter(&["--net"]);
    command::output_with_input(ip.args(["ip", "-batch", "-"]), batch.as_bytes())
        .with_context(explain)?;
    for switch in switches {
        let mut set = machine.enter(&["--net"]);
        command::output(set.args(["sh", "-c", &format!("echo 1 > /proc/sys/{switch}")]))
            .with_context(explain)?;
    }
    Ok(())
}

/// What `ip -batch` does in the control plane's namespace; a node's end of its link goes to the
/// namespace of the process that is given.
fn bridge(nodes: &[(Node, u32)]) -> String {
    let mut batch = format!(
        "link set lo up\nlink add bridge0 type bridge\n\
         addr add {CONTROL_PLANE_ADDRESS}/24 dev bridge0\nlink set bridge0 up\n"
    );
    for (node, init) in nodes {
        let (name, address, pods) = (node.name(), node.address(), node.pod_range());
        let _ = writeln!(
            batch,
            "link add {name} type veth peer name eth0 netns {init}"
        );
        let _ = writeln!(batch, "link set {name} master bridge0 up");
        let _ = writeln!(batch, "route add {pods} via {address}");
    }
    if let Some((first, _)) = nodes.first() {
        let _ = writeln!(batch, "route add {SERVICE_RANGE} via {}", first.address());
    }
    batch
}

/// What `ip -batch` does in a node's namespace.
fn link(node: Node, others: impl Iterator<Item = Node>) -> String {
    let mut batch = format!(
        "link set lo up\naddr add {}/24 dev eth0\nlink set eth0 up\n\
         route add {SERVICE_RANGE} dev eth0\n",
        node.address()
    );
    for other in others {
        let _ = writeln!(
            batch,
            "route add {} via {}",
            other.pod_range(),
            other.address()
        );
    }
    batch
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_machine_knows_the_way_to_every_pod() {
        let bridge = bridge(&[(Node(1), 100), (Node(2), 200)]);
        assert!(bridge.contains("link add node-2 type veth peer name eth0 netns 200\n"));
        assert!(bridge.contains("route add 10.244.1.0/24 via 172.31.255.11\n"));
        assert!(bridge.contains("route add 10.244.2.0/24 via 172.31.255.12\n"));
        let link = link(Node(2), [Node(1)].into_iter());
        assert!(link.contains("addr add 172.31.255.12/24 dev eth0\n"));
        assert!(link.contains("route add 10.244.1.0/24 via 172.31.255.11\n"));
        assert!(!link.contains("default") && !bridge.contains("default"));
    }
}
