//! What templates ask the cluster for with `lookup`.
//!
//! Rendering does no I/O. What a chart asks for and is not known yet is noted; it is fetched, and the chart is rendered once
//! more, until it asks for nothing new. One that asks for something new each time is given up.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use helm_render::{FunctionError, Lookup};
use kube::{
    Api, Error,
    api::{DynamicObject, ListParams, TypeMeta},
};
use kube_access::{Cluster, Kinds};
use serde_json::{Map, Value, json};

use crate::{Error as InstallError, Result};

/// What one call of `lookup` asks for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Query {
    api_version: String,
    kind: String,
    /// Empty for all namespaces.
    namespace: String,
    /// Empty for all objects.
    name: String,
}

/// How often the cluster is asked for one chart: what is found may lead to the next question, but not forever.
const MAX_ROUNDS: usize = 10;

/// What the cluster has, as far as it was asked for.
#[derive(Debug, Clone, Default)]
pub struct LookupResults {
    known: BTreeMap<Query, Map<String, Value>>,
    /// How often it was asked.
    rounds: usize,
}

/// Answers from what was found, and notes the rest.
#[derive(Debug)]
pub struct Answers {
    found: LookupResults,
    missing: RefCell<BTreeSet<Query>>,
}

impl Answers {
    /// From what was found.
    pub fn new(found: LookupResults) -> Self {
        Self {
            found,
            missing: RefCell::default(),
        }
    }

    /// What was asked for and is not known.
    pub fn missing(&self) -> BTreeSet<Query> {
        self.missing.borrow().clone()
    }
}

impl Lookup for Answers {
    fn lookup(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Map<String, Value>, FunctionError> {
        let query = Query {
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        if let Some(known) = self.found.known.get(&query) {
            return Ok(known.clone());
        }
        self.missing.borrow_mut().insert(query);
        Ok(Map::new())
    }
}

impl LookupResults {
    /// Asks the cluster.
    ///
    /// # Errors
    /// As Helm: when the API server does not know a kind or refuses. That an object is not there is an answer. Also when it was
    /// asked too often.
    pub async fn fetch(&mut self, cluster: &Cluster, missing: BTreeSet<Query>) -> Result<()> {
        self.begin_round(&missing)?;
        let kinds = Kinds::new(cluster.client.clone());
        for query in missing {
            let answer = cluster.answer(one(cluster, &kinds, &query)).await;
            let answer = answer.map_err(|error| match &error {
                Error::Discovery(_) => InstallError::LookedUp {
                    what: format!(
                        "looks for {}, which the cluster does not serve as {}",
                        query.kind, query.api_version
                    ),
                    source: None,
                },
                _ => InstallError::LookedUp {
                    what: format!("looks for {} {:?}", query.kind, query.name),
                    source: Some(cluster.error(error)),
                },
            })?;
            self.known.insert(query, answer);
        }
        Ok(())
    }

    fn begin_round(&mut self, missing: &BTreeSet<Query>) -> Result<()> {
        if self.rounds < MAX_ROUNDS {
            self.rounds += 1;
            return Ok(());
        }
        let next = missing.iter().next_back();
        Err(InstallError::AsksForEver {
            rounds: MAX_ROUNDS,
            next: next.map(|query| format!("{} {:?}", query.kind, query.name)),
        })
    }
}

async fn one(cluster: &Cluster, kinds: &Kinds, query: &Query) -> Result<Map<String, Value>, Error> {
    let kind = kinds.get(&query.api_version, &query.kind).await?;
    let client = cluster.client.clone();
    let api: Api<DynamicObject> = if kind.namespaced && !query.namespace.is_empty() {
        Api::namespaced_with(client, &query.namespace, &kind.resource)
    } else {
        Api::all_with(client, &kind.resource)
    };
    let found = if query.name.is_empty() {
        let list = api.list(&ListParams::default()).await?;
        // Servers leave it out of the items of a list; Go's clients put it back.
        let typed = |mut item: DynamicObject| {
            item.types.get_or_insert_with(|| TypeMeta {
                api_version: query.api_version.clone(),
                kind: query.kind.clone(),
            });
            item
        };
        let items: Vec<_> = list.items.into_iter().map(typed).collect();
        json!({
            "apiVersion": query.api_version,
            "kind": format!("{}List", query.kind),
            "metadata": list.metadata,
            "items": items,
        })
    } else {
        match api.get_opt(&query.name).await? {
            Some(object) => serde_json::to_value(object).map_err(Error::SerdeError)?,
            None => Value::Null,
        }
    };
    Ok(match found {
        Value::Object(map) => map,
        _ => Map::new(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Renders as for a cluster that has nothing of what is asked for, until `next` asks for nothing new.
    fn rounds(next: impl Fn(&Answers, usize)) -> Result<usize> {
        let mut found = LookupResults::default();
        for round in 0.. {
            let answers = Answers::new(found.clone());
            next(&answers, round);
            let missing = answers.missing();
            if missing.is_empty() {
                return Ok(round);
            }
            found.begin_round(&missing)?;
            found
                .known
                .extend(missing.into_iter().map(|query| (query, Map::new())));
        }
        unreachable!()
    }

    fn ask(answers: &Answers, name: &str) {
        answers.lookup("v1", "Secret", "n", name).unwrap();
    }

    #[test]
    fn a_chart_that_asks_for_something_new_each_time_is_given_up() {
        let chain = |answers: &Answers, round: usize| {
            for name in 0..=round.min(MAX_ROUNDS - 1) {
                ask(answers, &format!("s{name}"));
            }
        };
        assert_eq!(rounds(chain).unwrap(), MAX_ROUNDS);
        let endless = rounds(|answers, round| ask(answers, &format!("r{round}"))).unwrap_err();
        assert_eq!(
            endless.causes(),
            [
                "the chart asks the cluster for something new each time it is rendered, 10 times so far",
                "it now looks for Secret \"r10\""
            ]
        );
    }
}
