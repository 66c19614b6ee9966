//! The gateway of this machine: a process that mcpt keeps running, for backends that cannot have one of their own.

use mcpt_core::{DeleteOptions, DeployOptions, DryRun, Failure};
use mcpt_gateway_api::{ENDPOINTS_PATH, EndpointsPage, SERVERS_PATH, ServersPage};
use mcpt_kube::{Gateway, InstalledGateway};
use mcpt_process::{LocalGateway, LocalGatewayOptions};

use super::pages::page;
use crate::{args::Global, progress};

/// Starts it, or lets another one take its place.
///
/// # Errors
/// A [`Failure`] with the reason.
pub(super) async fn install(
    global: &Global,
    local: &LocalGateway,
    wanted: &LocalGatewayOptions,
    options: &DeployOptions,
) -> Result<InstalledGateway, Failure> {
    if options.dry_run == Some(DryRun::Client) {
        return Ok(InstalledGateway {
            gateway: None,
            manifest: Some(local.manifest(wanted)?),
        });
    }
    let progress = progress::display(global);
    local.install(wanted, options, progress.as_ref()).await?;
    drop(progress);
    Ok(InstalledGateway {
        gateway: Some(status(local).await?),
        manifest: None,
    })
}

/// It and the servers that it knows, told as that of a cluster is.
///
/// # Errors
/// [`mcpt_core::FailureKind::NotFound`] when there is none.
pub(super) async fn status(local: &LocalGateway) -> Result<Gateway, Failure> {
    let release = local.status().await?.ok_or_else(|| local.missing())?;
    let pages = async {
        let base = local.pages()?;
        let base = base.ok_or_else(|| Failure::because(unreachable(), "it does not run"))?;
        let servers: ServersPage = page(&base, SERVERS_PATH, &[]).await?;
        let endpoints: EndpointsPage = page(&base, ENDPOINTS_PATH, &[]).await?;
        Ok::<_, Failure>((servers, endpoints.endpoints))
    };
    let (page, endpoints, servers_unknown) = match pages.await {
        Ok((page, endpoints)) => (Some(page), Some(endpoints), None),
        Err(failure) => (None, None, Some(failure.why.join("; "))),
    };
    let (servers, sets) = page.map(|page| (page.servers, page.sets)).unzip();
    Ok(Gateway {
        urls: release.url.iter().cloned().collect(),
        release,
        servers,
        sets: sets.unwrap_or_default(),
        endpoints,
        servers_unknown,
    })
}

/// Where its own pages are.
///
/// # Errors
/// [`mcpt_core::FailureKind::NotFound`] when there is none, [`mcpt_core::FailureKind::Unreachable`] when it does not run.
pub(super) async fn pages(local: &LocalGateway) -> Result<String, Failure> {
    if let Some(base) = local.pages()? {
        return Ok(base);
    }
    match local.status().await? {
        None => Err(local.missing()),
        Some(server) => {
            let why = server
                .reason
                .unwrap_or_else(|| "it does not run".to_owned());
            Err(unreachable()
                .because(why)
                .hint("mcpt gateway install starts it again"))
        }
    }
}

/// Ends it and removes what it has left.
///
/// # Errors
/// [`mcpt_core::FailureKind::NotFound`] when there is none.
pub(super) async fn uninstall(
    global: &Global,
    local: &LocalGateway,
    options: &DeleteOptions,
) -> Result<(), Failure> {
    let progress = progress::display(global);
    local.uninstall(options, progress.as_ref()).await
}

fn unreachable() -> Failure {
    Failure::new(
        mcpt_core::FailureKind::Unreachable,
        "cannot ask the gateway",
    )
}
