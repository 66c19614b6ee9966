//! [`Shares`]: the accounts of one replica, and what replicas give each other: no store knows them, and none is needed.
//!
//! A rate is split, see `account.rs`. Calls that go on at once are counted: before one more begins, all others are asked how
//! many go on there, each of which counts its own before it asks. So two that begin at the same moment see each other, and there
//! are never too many; it may be that neither begins.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::join_all;
use http_body_util::Full;
use hyper::{Request, StatusCode, header::HOST};
use mcpt_access::Rate;
use mcpt_gateway_api::SHARES_PATH;
use mcpt_http::client;
use mcpt_routing::{Carried, SessionKeys};
use serde::{Deserialize, Serialize};

use super::account::Account;
use crate::{aggregate::Replicas, refusal::Refusal};

/// How long another replica may take to answer: a call waits for it.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long others are not asked again that had nothing to give, or too many going on.
const FRUITLESS_MS: u64 = 200;
/// Most accounts: some 20 MB.
const MOST: usize = 200_000;
/// Largest message between replicas in bytes.
pub(crate) const MAX_SHARES: usize = 4096;

type AccountId = [u8; 16];

/// One entry that a call must find room in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ask {
    pub(super) account: AccountId,
    pub(super) rate: Option<Rate>,
    pub(super) concurrent: Option<u32>,
}

/// What one replica asks another.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Question {
    account: AccountId,
    /// Calls a second, and at once.
    rate: Option<(f64, f64)>,
    /// What is missing of a call.
    wanted: f64,
}

/// What it gets.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Grant {
    amount: f64,
    in_flight: u32,
}

/// The accounts of this replica.
#[derive(Debug)]
pub(crate) struct Shares {
    accounts: Mutex<HashMap<AccountId, CallerAccount>>,
    keys: Arc<SessionKeys>,
    replicas: Arc<Replicas>,
    started: Instant,
}

#[derive(Debug)]
struct CallerAccount {
    account: Account,
    rate: Option<Rate>,
}

/// Calls that go on, until it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    shares: Arc<Shares>,
    accounts: Vec<AccountId>,
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut accounts = self.shares.accounts();
        for id in &self.accounts {
            if let Some(known) = accounts.get_mut(id) {
                known.account.in_flight = known.account.in_flight.saturating_sub(1);
            }
        }
    }
}

impl Shares {
    pub(super) fn new(keys: Arc<SessionKeys>, replicas: Arc<Replicas>) -> Self {
        Self {
            accounts: Mutex::default(),
            keys,
            replicas,
            started: Instant::now(),
        }
    }

    /// Takes what one call needs of each, or nothing of any.
    ///
    /// # Errors
    /// [`Refusal::Limited`] when one has too little.
    pub(super) async fn take(self: &Arc<Self>, asks: Vec<Ask>) -> Result<Held, Refusal> {
        let mut held = Held {
            shares: Arc::clone(self),
            accounts: Vec::new(),
        };
        for ask in &asks {
            if let Some(most) = ask.concurrent {
                self.begin(ask, most, &mut held).await?;
            }
        }
        for (index, ask) in asks.iter().enumerate() {
            if let Some(rate) = ask.rate
                && let Err(refusal) = self.spend(ask, rate).await
            {
                self.give_back(asks.get(..index).unwrap_or_default());
                return Err(refusal);
            }
        }
        Ok(held)
    }

    /// A call that is not made is none.
    fn give_back(&self, spent: &[Ask]) {
        let others = self.replicas.others().len();
        for ask in spent {
            if let Some(rate) = ask.rate {
                self.with(ask.account, ask.rate, others, |account, _| {
                    account.receive(1.0, rate);
                });
            }
        }
    }

    /// Counts one more call that goes on.
    async fn begin(&self, ask: &Ask, most: u32, held: &mut Held) -> Result<(), Refusal> {
        let others = self.replicas.others();
        let here = self.with(ask.account, ask.rate, others.len(), |account, now| {
            if account.in_flight >= most || account.full_until > now {
                return None;
            }
            account.in_flight += 1;
            Some(account.in_flight)
        });
        let refused = || Refusal::Limited {
            what: format!("{most} of your calls go on here at once, and no more may"),
            seconds: 1,
        };
        let here = here.flatten().ok_or_else(refused)?;
        held.accounts.push(ask.account);
        if others.is_empty() {
            return Ok(());
        }
        let given = self.ask(&others, ask, 0.0).await;
        let elsewhere = given.iter().map(|given| given.in_flight);
        if elsewhere.fold(here, u32::saturating_add) <= most {
            return Ok(());
        }
        self.with(ask.account, ask.rate, others.len(), |account, now| {
            account.full_until = now + FRUITLESS_MS;
        });
        Err(refused())
    }

    /// Takes one call off a rate.
    async fn spend(&self, ask: &Ask, rate: Rate) -> Result<(), Refusal> {
        let others = self.replicas.others();
        let first = self.with(ask.account, ask.rate, others.len(), |account, now| {
            account.turn(rate, others.len() + 1, now);
            let fruitless = account.fruitless_until > now;
            (account.take(), account.missing(), fruitless)
        });
        let mut missing = match first {
            Some((true, ..)) => return Ok(()),
            Some((false, missing, _)) => missing,
            None => 1.0,
        };
        let may_ask = first.is_some_and(|(.., fruitless)| !fruitless);
        if may_ask && !others.is_empty() {
            let given = self.ask(&others, ask, missing).await;
            let amount = given.iter().map(|given| given.amount).sum();
            let second = self.with(ask.account, ask.rate, others.len(), |account, now| {
                account.receive(amount, rate);
                let taken = account.take();
                if !taken {
                    account.fruitless_until = now + FRUITLESS_MS;
                }
                (taken, account.missing())
            });
            match second {
                Some((true, _)) => return Ok(()),
                Some((false, still)) => missing = still,
                None => {}
            }
        }
        let seconds = (missing / rate.per_second).ceil().clamp(1.0, 86_400.0);
        Err(Refusal::Limited {
            what: "you call more often than you may here".to_owned(),
            seconds: seconds as u64,
        })
    }

    /// Does something with an account; `None` when there are too many to begin another.
    fn with<T>(
        &self,
        id: AccountId,
        rate: Option<Rate>,
        others: usize,
        act: impl FnOnce(&mut Account, u64) -> T,
    ) -> Option<T> {
        let now = self.now();
        let mut accounts = self.accounts();
        if accounts.len() >= MOST && !accounts.contains_key(&id) {
            sweep(&mut accounts, others + 1, now);
            if accounts.len() >= MOST {
                tracing::error!(
                    "limits are counted for {MOST} callers and no more: calls are refused"
                );
                return None;
            }
        }
        let known = match accounts.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(CallerAccount {
                account: Account::new(rate, others + 1, now),
                rate,
            }),
        };
        Some(act(&mut known.account, now))
    }

    /// Forgets accounts that are as new ones would be.
    pub(crate) fn sweep(&self) {
        let replicas = self.replicas.others().len() + 1;
        sweep(&mut self.accounts(), replicas, self.now());
    }

    /// Asks all others at once. Who does not answer in time has nothing.
    async fn ask(&self, others: &[SocketAddr], ask: &Ask, wanted: f64) -> Vec<Grant> {
        let question = Question {
            account: ask.account,
            rate: ask.rate.map(|rate| (rate.per_second, rate.burst)),
            wanted,
        };
        let text = serde_json::to_vec(&question).ok();
        let sealed = text.and_then(|text| self.keys.seal_carried(Carried::Shares, &text).ok());
        let Some(sealed) = sealed else {
            return Vec::new();
        };
        let asked = others.iter().map(async |address| {
            let answer = tokio::time::timeout(PATIENCE, self.ask_one(*address, sealed.clone()));
            let answer = answer.await.unwrap_or(None);
            if answer.is_none() {
                tracing::debug!(%address, "another replica of the gateway does not say what may still be called");
            }
            answer
        });
        join_all(asked).await.into_iter().flatten().collect()
    }

    async fn ask_one(&self, address: SocketAddr, sealed: String) -> Option<Grant> {
        let request = Request::post(SHARES_PATH).header(HOST, address.to_string());
        let request = request.body(Full::new(Bytes::from(sealed))).ok()?;
        let host = address.ip().to_string();
        let answer = client::exchange(&host, address.port(), request)
            .await
            .ok()?;
        if answer.status() != StatusCode::OK {
            return None;
        }
        let body = client::body(answer, MAX_SHARES).await.ok()?;
        let text = self.keys.open_carried(Carried::Shares, &body)?;
        serde_json::from_slice(&text).ok()
    }

    /// Gives another replica what it asks for; `None` when it is not one with the same keys.
    pub(crate) fn give(&self, sealed: &[u8]) -> Option<String> {
        let text = self.keys.open_carried(Carried::Shares, sealed)?;
        let question: Question = serde_json::from_slice(&text).ok()?;
        let rate = question
            .rate
            .map(|(per_second, burst)| Rate { per_second, burst });
        let others = self.replicas.others().len();
        let given = self.with(question.account, rate, others, |account, now| {
            if let Some(rate) = rate {
                account.turn(rate, others + 1, now);
            }
            Grant {
                amount: account.give(question.wanted),
                in_flight: account.in_flight,
            }
        });
        let text = serde_json::to_vec(&given?).ok()?;
        self.keys.seal_carried(Carried::Shares, &text).ok()
    }

    fn now(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    fn accounts(&self) -> MutexGuard<'_, HashMap<AccountId, CallerAccount>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn sweep(accounts: &mut HashMap<AccountId, CallerAccount>, replicas: usize, now: u64) {
    accounts.retain(|_, known| {
        if let Some(rate) = known.rate {
            known.account.turn(rate, replicas, now);
        }
        !known.account.is_idle(known.rate)
    });
}
