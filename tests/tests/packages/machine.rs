//! A machine of a test's own, as far as npm and uv see: its own caches, and its own word on where the registries are.

use std::{env, fs, path::PathBuf};

use mcpt_tests::Mcpt;

/// mcpt on such a machine.
pub(crate) struct Machine {
    pub(crate) mcpt: Mcpt,
    home: PathBuf,
}

impl Machine {
    /// What this user has told npm holds there too. The caches are empty.
    pub(crate) fn new() -> Self {
        Self::with(Mcpt::default())
    }

    /// The same, where this mcpt is used.
    pub(crate) fn with(mcpt: Mcpt) -> Self {
        let home = mcpt.home().join("user");
        fs::create_dir(&home).expect("a home");
        let told = env::var_os("HOME").map(|home| PathBuf::from(home).join(".npmrc"));
        let told = told.and_then(|file| fs::read_to_string(file).ok());
        fs::write(home.join(".npmrc"), told.unwrap_or_default()).expect("writing .npmrc");
        fs::write(home.join("uv.toml"), "").expect("writing uv.toml");
        let text = |path: PathBuf| path.to_str().expect("UTF-8").to_owned();
        // Pythons of the user that are found by HOME alone.
        let pythons = env::var("PYENV_ROOT").unwrap_or_else(|_| {
            let home = env::var("HOME").unwrap_or_default();
            format!("{home}/.pyenv")
        });
        let mcpt = mcpt
            .env("HOME", text(home.clone()))
            .env("PYENV_ROOT", pythons)
            .env("UV_CONFIG_FILE", text(home.join("uv.toml")))
            .env("XDG_CACHE_HOME", text(home.join("cache")));
        Self { mcpt, home }
    }

    /// With another variable in the environment.
    pub(crate) fn env(self, name: &str, value: impl Into<String>) -> Self {
        let Self { mcpt, home } = self;
        let mcpt = mcpt.env(name, value);
        Self { mcpt, home }
    }

    /// From now on this is where packages are: what `.npmrc` and `uv.toml` say.
    pub(crate) fn tell(&self, npmrc: &str, uv: &str) {
        fs::write(self.home.join(".npmrc"), npmrc).expect("writing .npmrc");
        fs::write(self.home.join("uv.toml"), uv).expect("writing uv.toml");
    }

    /// From now on no registry can be reached, and nothing of one is in a cache.
    pub(crate) fn lose_the_registries(&self) {
        const NOWHERE: &str = "http://127.0.0.1:9/";
        let uv = format!("[[index]]\nurl = \"{NOWHERE}simple\"\ndefault = true\n");
        self.tell(&format!("registry={NOWHERE}\nfetch-retries=0\n"), &uv);
        for cache in [".npm", "cache"] {
            // npm or uv may have had no use for it.
            drop(fs::remove_dir_all(self.home.join(cache)));
        }
    }
}
