//! Which revision may follow which: tables against what helm's own rules say.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use helm_release::{Error, History, Next, Release, Status};

/// `1:superseded 2:deployed`
fn history(text: &str) -> History {
    let release = |part: &str| {
        let (version, status) = part.split_once(':').unwrap();
        let mut release = Release {
            version: version.parse().unwrap(),
            ..Release::default()
        };
        release.info.status = serde_json::from_value(status.into()).unwrap();
        release
    };
    History::new("web", text.split_whitespace().map(release).collect())
}

fn next(text: &str) -> String {
    match history(text).next() {
        Ok(Next::Install { revision }) => format!("install {revision}"),
        Ok(Next::Upgrade { current, revision }) => {
            format!("upgrade {} to {revision}", current.version)
        }
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_a_deploy_does_next() {
    let pending = "another operation (install/upgrade/rollback) is in progress:";
    let cases = [
        ("", "install 1".to_owned()),
        ("1:deployed", "upgrade 1 to 2".to_owned()),
        ("2:deployed 1:superseded", "upgrade 2 to 3".to_owned()),
        ("1:failed", "upgrade 1 to 2".to_owned()),
        ("1:deployed 2:failed", "upgrade 1 to 3".to_owned()),
        ("1:superseded 2:superseded", "upgrade 2 to 3".to_owned()),
        ("1:superseded 2:uninstalled", "install 3".to_owned()),
        (
            "1:pending-install",
            format!("{pending} revision 1 is pending-install"),
        ),
        (
            "1:deployed 2:pending-upgrade",
            format!("{pending} revision 2 is pending-upgrade"),
        ),
        (
            "1:deployed 2:pending-rollback",
            format!("{pending} revision 2 is pending-rollback"),
        ),
        (
            "1:uninstalling",
            "\"web\" has no deployed releases".to_owned(),
        ),
        (
            "1:invented-tomorrow",
            "\"web\" has no deployed releases".to_owned(),
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(next(text), expected, "{text}");
    }
    assert!(matches!(
        history("3:pending-upgrade").next(),
        Err(Error::Pending {
            revision: 3,
            status: Status::PendingUpgrade
        })
    ));
}

#[test]
fn what_is_pruned_before_one_more_is_stored() {
    let cases: [(&str, usize, &[u32]); 7] = [
        ("", 10, &[]),
        ("1:superseded 2:deployed", 10, &[]),
        ("1:superseded 2:superseded 3:deployed", 3, &[1]),
        ("1:superseded 2:superseded 3:deployed", 2, &[1, 2]),
        // The deployed one stays, whatever its age.
        ("1:deployed 2:failed 3:failed", 2, &[2, 3]),
        ("1:failed 2:failed", 1, &[1, 2]),
        ("1:superseded 2:deployed", 0, &[]),
    ];
    for (text, max, expected) in cases {
        assert_eq!(history(text).to_prune(max), expected, "{text} {max}");
    }
}

#[test]
fn a_deployed_revision_supersedes_all_others_that_say_so() {
    let history = history("1:deployed 2:failed 3:deployed 4:deployed");
    let versions: Vec<u32> = history
        .to_supersede(4)
        .iter()
        .map(|release| release.version)
        .collect();
    assert_eq!(versions, [1, 3]);
    assert_eq!(history.deployed().unwrap().version, 4);
    assert_eq!(history.revision(2).unwrap().info.status, Status::Failed);
    assert_eq!(history.last().unwrap().version, 4);
}
