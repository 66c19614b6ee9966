//! A local TCP listener whose connections go to a pod by the API server's port-forward, one stream each.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

use k8s_openapi::api::core::v1::Pod;
use kube::{Api, Error, api::ListParams, client::UpgradeConnectionError};
use tokio::{
    io::{AsyncWriteExt, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::Mutex,
    task::{AbortHandle, JoinSet},
};

use crate::{
    Cluster, Error as AccessError, Result, chain, error::ForwardError, is_final, is_ready,
};

/// A listener on the loopback; dropping it closes it and all of its connections.
#[derive(Debug)]
pub struct Forward {
    /// Where it listens.
    pub address: SocketAddr,
    /// The port of the pod that it went to at first.
    pub port: u16,
    trouble: Arc<Mutex<Option<Trouble>>>,
    accepting: AbortHandle,
}

impl Drop for Forward {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Why a connection failed.
#[derive(Debug, Clone)]
pub struct Trouble {
    /// What happened.
    pub error: Arc<AccessError>,
    /// Whether the API server refused it, so that another try is in vain.
    pub refused: bool,
}

impl From<AccessError> for Trouble {
    fn from(error: AccessError) -> Self {
        Self {
            error: Arc::new(error),
            refused: false,
        }
    }
}

impl Forward {
    /// What went wrong with the last connection that failed, if one did.
    pub async fn trouble(&self) -> Option<Trouble> {
        self.trouble.lock().await.clone()
    }
}

/// Pods that a forward may go to.
#[derive(Debug, Clone)]
pub struct ForwardTarget {
    cluster: Cluster,
    /// Label selector of the pods.
    selector: String,
    /// Names that the wanted port has in a pod, the likeliest first.
    port_names: &'static [&'static str],
    /// Pod and port that connections go to now. Sessions may live in one pod, so it changes only when that one fails.
    current: Arc<Mutex<Option<(String, u16)>>>,
}

impl ForwardTarget {
    /// Ready pods that match a label selector, and the port with one of these names, else their first; `known` is one of
    /// them with its port, if one is known already.
    pub fn new(
        cluster: Cluster,
        selector: String,
        port_names: &'static [&'static str],
        known: Option<(String, u16)>,
    ) -> Self {
        Self {
            cluster,
            selector,
            port_names,
            current: Arc::new(Mutex::new(known)),
        }
    }

    /// The pod to connect to; with `not`, another one than that if there is another.
    async fn choose(&self, not: Option<&str>) -> Result<(String, u16)> {
        let mut current = self.current.lock().await;
        if let Some((pod, port)) = current.as_ref()
            && Some(pod.as_str()) != not
        {
            return Ok((pod.clone(), *port));
        }
        let api: Api<Pod> = self.cluster.api();
        let pods = self
            .cluster
            .answer(api.list(&ListParams::default().labels(&self.selector)))
            .await
            .map_err(|error| self.cluster.error(error))?;
        let chosen = best_pod(&pods.items, self.port_names, not);
        let chosen = chosen.ok_or(AccessError::NoReadyPod {
            any: !pods.items.is_empty(),
        })?;
        *current = Some(chosen.clone());
        Ok(chosen)
    }

    async fn connect(&self, mut local: TcpStream) -> Result<(), Trouble> {
        let api: Api<Pod> = self.cluster.api();
        let (mut pod, mut port) = self.choose(None).await?;
        let mut forwarder = api.portforward(&pod, &[port]).await;
        if let Err(error) = &forwarder {
            tracing::debug!(
                pod,
                error = chain(error),
                "port-forward refused, trying another pod"
            );
            (pod, port) = self.choose(Some(&pod)).await?;
            forwarder = api.portforward(&pod, &[port]).await;
        }
        let failed = |source: ForwardError| {
            Trouble::from(AccessError::Forward {
                pod: pod.clone(),
                source: Box::new(source),
            })
        };
        let mut forwarder = forwarder.map_err(|source| Trouble {
            refused: refused(&source),
            ..failed(ForwardError::Request {
                address: self.cluster.address.clone(),
                source: Box::new(source),
            })
        })?;
        let (Some(mut remote), Some(error)) =
            (forwarder.take_stream(port), forwarder.take_error(port))
        else {
            return Err(failed(ForwardError::NoStream));
        };
        let copied = copy_bidirectional(&mut local, &mut remote).await;
        // Closing our end lets the forwarder finish; what the kubelet has to say comes before that.
        let _closed_by_peer = remote.shutdown().await;
        drop(remote);
        let joined = forwarder.join().await;
        if let Some(said) = error.await {
            return Err(failed(ForwardError::Said(said.trim().to_owned())));
        }
        if let Err(error) = copied {
            // Clients often leave with a reset; that is no trouble of the tunnel.
            tracing::debug!(pod, %error, "connection ended");
        }
        if let Err(error) = joined {
            tracing::debug!(pod, error = chain(&error), "port-forward ended");
        }
        Ok(())
    }
}

/// Whether the API server answered that this connection may not or cannot be.
fn refused(error: &Error) -> bool {
    let code = match error {
        Error::Api(status) => status.code,
        Error::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(status)) => status.as_u16(),
        _ => return false,
    };
    is_final(code)
}

/// Begins to listen on a free port of the loopback.
///
/// # Errors
/// When there is no ready pod to connect to, or no port to listen on.
pub async fn open(target: ForwardTarget) -> Result<Forward> {
    open_at(target, 0).await
}

/// The same on this port of the loopback; 0 is a free one.
///
/// # Errors
/// As [`open`], also when the port is taken.
pub async fn open_at(target: ForwardTarget, port: u16) -> Result<Forward> {
    let wanted = port;
    // Whether there is a pod at all is told now, not to the first connection.
    let (_, port) = target.choose(None).await?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, wanted))
        .await
        .map_err(AccessError::Listen)?;
    let address = listener.local_addr().map_err(AccessError::Listen)?;
    let trouble = Arc::new(Mutex::new(None));
    let seen = Arc::clone(&trouble);
    let accepting = tokio::spawn(accept(listener, target, seen)).abort_handle();
    Ok(Forward {
        address,
        port,
        trouble,
        accepting,
    })
}

async fn accept(
    listener: TcpListener,
    target: ForwardTarget,
    trouble: Arc<Mutex<Option<Trouble>>>,
) {
    // Dropped with this task, which ends every connection.
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((local, _)) => {
                    let (target, trouble) = (target.clone(), Arc::clone(&trouble));
                    connections.spawn(async move {
                        if let Err(met) = target.connect(local).await {
                            tracing::debug!(error = %met.error, "forwarded connection failed");
                            *trouble.lock().await = Some(met);
                        }
                    });
                }
                Err(error) => {
                    *trouble.lock().await = Some(AccessError::Listen(error).into());
                    return;
                }
            },
            Some(_ended) = connections.join_next() => {}
        }
    }
}

/// A ready pod and the port with one of these names, another one than `not` if possible.
fn best_pod(pods: &[Pod], port_names: &[&str], not: Option<&str>) -> Option<(String, u16)> {
    let mut ready: Vec<_> = pods
        .iter()
        .filter(|pod| is_ready(pod))
        .filter_map(|pod| Some((pod.metadata.name.clone()?, port(pod, port_names)?)))
        .collect();
    // The excluded one last: it may be the only one, and may have come back.
    ready.sort_by_key(|(name, _)| (Some(name.as_str()) == not, name.clone()));
    ready.into_iter().next()
}

/// A port of a pod: one with the first of these names that there is, else the first of all.
pub fn port(pod: &Pod, names: &[&str]) -> Option<u16> {
    let containers = &pod.spec.as_ref()?.containers;
    let ports: Vec<_> = containers
        .iter()
        .flat_map(|c| c.ports.iter().flatten())
        .collect();
    let named = names
        .iter()
        .find_map(|name| ports.iter().find(|port| port.name.as_deref() == Some(name)));
    let port = named.or(ports.first())?;
    u16::try_from(port.container_port).ok()
}

#[cfg(test)]
#[expect(
    clippy::needless_pass_by_value,
    reason = "json! literals read best as arguments"
)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    const NAMES: [&str; 2] = ["mcp", "http"];

    fn pod(name: &str, ready: bool, ports: Value) -> Pod {
        serde_json::from_value(json!({
            "metadata": {"name": name},
            "spec": {"containers": [{"name": "side"}, {"name": "server", "ports": ports}]},
            "status": {"conditions": [{"type": "Ready", "status": if ready {"True"} else {"False"}}]},
        }))
        .unwrap()
    }

    #[test]
    fn only_final_answers_are_refusals() {
        let switch = |code| {
            let status = http::StatusCode::from_u16(code).unwrap();
            refused(&Error::UpgradeConnection(
                UpgradeConnectionError::ProtocolSwitch(status),
            ))
        };
        assert!(switch(403));
        assert!(!switch(500));
        assert!(!switch(429));
        assert!(!refused(&Error::LinesCodecMaxLineLengthExceeded));
    }

    #[test]
    fn ports() {
        for (ports, expected) in [
            (
                json!([{"containerPort": 1, "name": "metrics"}, {"containerPort": 2, "name": "http"}]),
                Some(2),
            ),
            (
                json!([{"containerPort": 1, "name": "http"}, {"containerPort": 2, "name": "mcp"}]),
                Some(2),
            ),
            (
                json!([{"containerPort": 1, "name": "x"}, {"containerPort": 2}]),
                Some(1),
            ),
            (json!([]), None),
        ] {
            assert_eq!(
                port(&pod("a", true, ports.clone()), &NAMES),
                expected,
                "{ports}"
            );
        }
    }

    #[test]
    fn ready_pods_are_chosen_and_a_failed_one_only_as_the_last() {
        let port = json!([{"containerPort": 8080, "name": "mcp"}]);
        let pods = [
            pod("a", false, port.clone()),
            pod("b", true, port.clone()),
            pod("c", true, port),
        ];
        let chosen = |not| best_pod(&pods, &NAMES, not).map(|(name, _)| name);
        assert_eq!(chosen(None).as_deref(), Some("b"));
        assert_eq!(chosen(Some("b")).as_deref(), Some("c"));
        assert_eq!(
            best_pod(&pods[..2], &NAMES, Some("b"))
                .map(|(n, _)| n)
                .as_deref(),
            Some("b")
        );
        assert_eq!(best_pod(&pods[..1], &NAMES, None), None);
    }
}
