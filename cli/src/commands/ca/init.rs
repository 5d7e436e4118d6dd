//! `postern ca init`

use std::path::{Path, PathBuf};

use clap::Args;
use postern_ca::files::FileError;
use postern_ca::{Actor, CaError, Ceremony, Inaugurated, Passphrase, is_subject_text};
use serde_json::json;

use crate::commands::{DONE, Outcome};
use crate::context::Context;
use crate::error::CommandError;
use crate::output::{print_object, tell};
use crate::{passphrase, time};

/// Make a root that leaves this machine, and a home with its intermediates
///
/// Examples:
///   postern ca init --name "Example Corp" --root-dir /media/root
///   postern ca init --name "Example Corp" --root-dir /media/root \
///       --root-passphrase-file root.pass --passphrase-file issuing.pass
///
/// The root's certificate and key go to --root-dir and nowhere else; the home gets an intermediate
/// for clients, one for servers, a publisher, and `public`, which is all that a gateway reads.
/// Without passphrase files both passphrases are asked for.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct InitArgs {
    /// The organization, 1 to 48 characters; it names the certificates
    #[arg(long, value_name = "NAME")]
    name: String,
    /// Where the root goes; it must leave this machine afterwards
    #[arg(long, value_name = "DIR")]
    root_dir: PathBuf,
    /// File with the passphrase of the root's key
    #[arg(long, value_name = "FILE", conflicts_with = "no_passphrase")]
    root_passphrase_file: Option<PathBuf>,
    /// File with the passphrase of the issuing keys
    #[arg(
        long,
        value_name = "FILE",
        env = "POSTERN_PASSPHRASE_FILE",
        hide_env_values = true
    )]
    passphrase_file: Option<PathBuf>,
    /// Leave all keys unencrypted: for development only
    #[arg(long)]
    no_passphrase: bool,
}

/// What protects the keys.
pub(crate) enum Protection {
    Passphrases {
        root: Passphrase,
        issuing: Passphrase,
    },
    Nothing,
}

/// Leaves room for ` Server CA` within the 64 characters of a common name.
const MAX_NAME: usize = 48;

pub(crate) fn run(context: &Context, args: &InitArgs) -> Outcome {
    let protection = protection(args)?;
    let made = inaugurate(&args.name, &args.root_dir, context.home(), &protection)?;
    print_object(
        context.format,
        "postern.ca-init/1",
        &[
            ("root", made.root_certificate.display().to_string()),
            ("root SHA-256", made.root_fingerprint.to_string()),
            ("home", made.home.display().to_string()),
            ("public", made.home.join("public").display().to_string()),
        ],
        json!({
            "root_certificate": made.root_certificate,
            "root_fingerprint": made.root_fingerprint,
            "home": made.home,
            "public": made.home.join("public"),
        }),
    )?;
    if args.no_passphrase {
        tell(
            "warning: the keys are not encrypted: whoever reads these files can issue certificates. Development only.",
        );
    }
    tell(&format!(
        "\n{} must now leave this machine: move it to a medium that you lock away, and keep only\n\
         {} where gateways need it as trust anchor. Nothing here needs the root's key until the\n\
         root's CRL is due in a year.",
        args.root_dir.display(),
        made.root_certificate.display(),
    ));
    DONE
}

/// Makes a CA; `quickstart` does it too.
pub(crate) fn inaugurate(
    name: &str,
    root_dir: &Path,
    home: &Path,
    protection: &Protection,
) -> Result<Inaugurated, CommandError> {
    let characters = name.chars().count();
    if !is_subject_text(name, MAX_NAME) {
        return Err(CommandError::usage(format!(
            "--name has {characters} characters; it takes 1 to {MAX_NAME} printable ones, and none of , / + = \\ \" < > ;"
        )));
    }
    let (root_passphrase, passphrase) = match protection {
        Protection::Passphrases { root, issuing } => (Some(root), Some(issuing)),
        Protection::Nothing => (None, None),
    };
    let ceremony = Ceremony {
        name,
        root_dir,
        home,
        root_passphrase,
        passphrase,
        actor: &Actor::current(),
        now: time::now(),
    };
    ceremony.perform().map_err(|error| {
        let left_over = matches!(&error, CaError::File(FileError::Exists(path)) if path.starts_with(root_dir))
            && !home.exists();
        let error = CommandError::from(error);
        if left_over {
            return error.hint("no home was made with it: if an interrupted `ca init` left it, remove it and run again");
        }
        error
    })
}

fn protection(args: &InitArgs) -> Result<Protection, CommandError> {
    if args.no_passphrase {
        return Ok(Protection::Nothing);
    }
    passphrase::refuse_root_key_in_ci()?;
    let from = |file: &Option<PathBuf>, what: &str| match file {
        Some(path) => passphrase::from_file(path),
        None => passphrase::prompt_new(what),
    };
    Ok(Protection::Passphrases {
        root: from(&args.root_passphrase_file, "the root's key")?,
        issuing: from(&args.passphrase_file, "the issuing keys")?,
    })
}
