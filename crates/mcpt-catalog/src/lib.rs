//! Server templates: find them, check them, and compile them with the user's settings to a [`Plan`].
//!
//! The way through the crate: a [`Catalog`] finds a [`Template`], [`compile()`] checks [`Settings`] against it and makes
//! the [`Plan`], and [`chart_values()`] turns a plan into values of the chart that [`builtin_chart`] gives.
//! Every check reports all problems at once, and no report ever contains the value of a sensitive setting.

mod catalog;
mod chart;
mod chart_source;
mod chart_values;
mod compile;
mod described;
mod document;
mod imported;
mod recipe;
mod registry;
mod schema_error;
mod settings;
mod template;

pub use self::{
    catalog::{Catalog, CatalogError, Entry, Listing, Origin},
    chart::{CHARTS, PROFILES, builtin_chart, profile_values},
    chart_source::ChartSource,
    chart_values::chart_values,
    compile::{CompileError, SettingProblem, compile},
    described::server_json,
    document::{FileKind, FormatError, FormatProblem},
    imported::{Imported, ImportedEntry, NotImported},
    recipe::{RecipeError, compile_recipe},
    registry::{
        ChartLocation, ChartRef, CompiledEntry, EntryChoices, EntryError, EntryService,
        EntryTransport, EnvValue, Persistence, Registry, RegistryEntry, RegistryError, Scaling,
        check_entry, compile_entry,
    },
    settings::Settings,
    template::{CommandArg, ConfigSchema, Property, Template, TransportSpec},
};

#[cfg(doc)]
use mcpt_core::Plan;
