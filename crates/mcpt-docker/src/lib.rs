//! Servers as containers of Docker or Podman, by the API that both speak.
//!
//! A server is one or more containers of its image, its *replicas*, and a *front*: a container of mcpt's own that has the
//! published port and stands in front of the replicas. They share a network of their own. What runs is written down nowhere
//! but on the engine: in the names and labels of these containers (see `marks`).
//!
//! A change makes new replicas beside the old ones, under names that say that they are on trial. When each of them has
//! answered, they are renamed, the front is told of them, and the old ones end.

mod backend;
mod body;
mod change;
mod compare;
mod connect;
mod delete;
mod deploy;
mod discovery;
mod driver;
mod engine;
mod events;
mod exec;
mod failure;
mod front;
mod front_end;
mod gc;
mod history;
mod holder;
mod image;
mod lock;
mod logins;
mod logs;
mod making;
mod marks;
mod own_image;
mod package;
mod quantity;
mod recall;
mod restart;
mod scale;
mod server;
mod states;
mod trial;
mod unit;
mod usage;

pub use self::{
    driver::{DockerDriver, PodmanDriver},
    front_end::{FrontEnd, FrontError, tell},
};
