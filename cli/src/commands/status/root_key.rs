//! Whether the root's key can be read on this machine, as far as that can be known.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::context::Context;
use crate::output::tell;

/// What `ca init` calls the root's key in its folder.
const FILE: &str = "root.key";

/// Where a root's key was looked for, and where one can be read.
pub(super) struct RootKey {
    pub(super) looked: Vec<PathBuf>,
    pub(super) readable: Vec<PathBuf>,
}

impl RootKey {
    /// Looks where a root's key would be left lying: in the home, in `root` beside it and here,
    /// and beside the certificates that the gateway is told to trust. Where `ca init` really put
    /// it is on no record, so that nobody who reads the home learns it.
    pub(super) fn look(context: &Context) -> Self {
        let home = context.home();
        let mut looked = vec![home.join(FILE), Path::new("root").join(FILE)];
        looked.extend(home.parent().map(|beside| beside.join("root").join(FILE)));
        looked.extend(
            trusted(context)
                .iter()
                .map(|path| path.with_file_name(FILE)),
        );
        for path in &mut looked {
            *path = path.strip_prefix(".").unwrap_or(path).to_path_buf();
        }
        looked.sort();
        looked.dedup();
        let readable = looked.iter().filter(|path| is_readable(path));
        Self {
            readable: readable.cloned().collect(),
            looked,
        }
    }
}

/// A mistake in the configuration must not keep anybody from seeing the rest.
fn trusted(context: &Context) -> Vec<PathBuf> {
    match context.optional_config() {
        Ok(config) => config
            .map(|config| config.trust_files())
            .unwrap_or_default(),
        Err(error) => {
            tell(&format!(
                "the configuration was not looked at: {}",
                error.message()
            ));
            Vec::new()
        }
    }
}

/// It is opened and not read: the key is nobody's business here either.
fn is_readable(path: &Path) -> bool {
    path.is_file() && File::open(path).is_ok()
}
