//! Whom commands ask that look into gateways: the own pages of one that runs anywhere, or of the installed one.

use std::time::Duration;

use clap::Args;
use mcpt_core::{Failure, FailureKind};
use mcpt_kube::GatewayPages;
use serde::de::DeserializeOwned;

use super::{Installed, cluster, here, installed};
use crate::{args::Global, user_config::UserConfig};

/// Longest time for one page.
const ANSWER: Duration = Duration::from_secs(10);

/// Where a gateway's own pages are.
#[derive(Debug, Args)]
pub(super) struct Whom {
    /// Address of a gateway's own pages, as `mcpt gateway run` prints it. Without one the installed gateway is asked
    #[arg(long, value_name = "URL")]
    admin: Option<String>,
}

/// Gateways that can be asked, at least one.
pub(super) struct Gateways {
    bases: Vec<String>,
    /// Ways there, open as long as they are kept.
    _ways: Vec<GatewayPages>,
}

impl Whom {
    /// The gateway that is meant.
    ///
    /// # Errors
    /// A [`Failure`] when there is none, or it cannot be reached.
    pub(super) async fn gateways(&self, global: &Global) -> Result<Gateways, Failure> {
        if let Some(url) = &self.admin {
            let base = url.trim_end_matches('/');
            // The line that names it ends with a page.
            let base = base.strip_suffix("/metrics").unwrap_or(base);
            return Ok(Gateways {
                bases: vec![base.to_owned()],
                _ways: Vec::new(),
            });
        }
        let config = UserConfig::load()?;
        let place = match installed(global, &config)? {
            Installed::Cluster(place) => place,
            Installed::Here(local) => {
                return Ok(Gateways {
                    bases: vec![here::pages(&local).await?],
                    _ways: Vec::new(),
                });
            }
        };
        let ways = cluster(&place).await?.gateway_pages().await?;
        Ok(Gateways {
            bases: ways.iter().map(GatewayPages::base).collect(),
            _ways: ways,
        })
    }
}

impl Gateways {
    /// A page of the first of them.
    ///
    /// # Errors
    /// A [`Failure`] when it does not come, or is of another version.
    pub(super) async fn first<T: DeserializeOwned>(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<T, Failure> {
        let base = self.bases.first().map_or("", String::as_str);
        page(base, path, headers).await
    }

    /// The same page of all of them.
    ///
    /// # Errors
    /// A [`Failure`] when one of them does not come, or is of another version.
    pub(super) async fn all<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, Failure> {
        let asked = self.bases.iter().map(|base| page(base, path, &[]));
        futures_util::future::try_join_all(asked).await
    }
}

/// A page of the gateway whose own pages are at `base`.
///
/// # Errors
/// A [`Failure`] when it does not come, or is of another version.
pub(super) async fn page<T: DeserializeOwned>(
    base: &str,
    path: &str,
    headers: &[(&'static str, &str)],
) -> Result<T, Failure> {
    let what = "cannot ask the gateway";
    let text = mcpt_client::http_get_with(&format!("{base}{path}"), headers, ANSWER).await;
    let text = text.map_err(|error| error.into_failure(what))?;
    serde_json::from_str(&text).map_err(|error| {
        Failure::new(FailureKind::Failed, what)
            .because("its answer is of another version")
            .caused_by(&error)
    })
}
