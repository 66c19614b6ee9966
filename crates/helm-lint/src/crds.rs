//! Rules for `crds/`: all that is there is a custom resource definition.

use crate::fault;
use crate::parts::{Part, Parts};
use crate::{Report, object};

const FOLDER: &str = "crds/";

pub(crate) fn check(parts: &Parts, report: &mut Report) {
    match &parts.crds {
        Part::Absent => return,
        Part::Folder => {}
        Part::File(_) => {
            report.error(FOLDER, fault("not a directory".to_owned()));
            return;
        }
        Part::Unreadable(why) => {
            report.error(FOLDER, fault(why.clone()));
            return;
        }
    }
    let chart = match &parts.chart {
        Ok(chart) => chart,
        Err(error) => {
            report.error(FOLDER, Err(error.clone()));
            return;
        }
    };
    for (_, file) in chart.crds() {
        let name = &file.name;
        for document in object::documents(&String::from_utf8_lossy(&file.data)) {
            match document {
                Err(error) => {
                    report.error(name, fault(format!("unable to parse YAML: {error}")));
                    return;
                }
                Ok(None) => {}
                Ok(Some(head)) => {
                    if !head.api_version.starts_with("apiextensions.k8s.io") {
                        let text = "apiVersion is not in 'apiextensions.k8s.io'".to_owned();
                        report.error(name, fault(text));
                    }
                    if head.kind != "CustomResourceDefinition" {
                        let text = "object kind is not 'CustomResourceDefinition'".to_owned();
                        report.error(name, fault(text));
                    }
                }
            }
        }
    }
}
