//! Options of `mcpt gateway run` about the metrics API of a cluster.

use std::{net::SocketAddr, path::PathBuf};

use clap::Args;
use mcpt_gateway::MetricsApi;

/// Where autoscalers are told of sessions.
#[derive(Debug, Args)]
pub(super) struct MetricsApiOptions {
    /// Address and port of the external metrics API of Kubernetes, by which autoscalers learn how many sessions servers have
    #[arg(
        id = "metrics_api",
        long = "metrics-api",
        value_name = "IP:PORT",
        requires_all = ["metrics_api_cert", "metrics_api_key"]
    )]
    address: Option<SocketAddr>,
    /// File with the certificate of the metrics API, as PEM
    #[arg(
        id = "metrics_api_cert",
        long = "metrics-api-cert",
        value_name = "FILE",
        requires = "metrics_api"
    )]
    certificate: Option<PathBuf>,
    /// File with the key of that certificate, as PEM
    #[arg(
        id = "metrics_api_key",
        long = "metrics-api-key",
        value_name = "FILE",
        requires = "metrics_api"
    )]
    key: Option<PathBuf>,
}

impl MetricsApiOptions {
    /// It, if it is to be served.
    pub(super) fn api(&self) -> Option<MetricsApi> {
        Some(MetricsApi {
            listen: self.address?,
            certificate: self.certificate.clone()?,
            key: self.key.clone()?,
        })
    }
}
