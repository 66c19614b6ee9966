//! `--post-renderer`: a plugin of helm, as helm 4 takes it, or a program, as helm 3 does.

use std::{
    env,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    thread,
};

use clap::Args;
use helm_install::action::PostRenderer;
use helm_render::ProgramError;
use mcpt_core::Failure;

use super::{
    failed,
    plugins::{self, Plugin},
};
use crate::messages;

/// What changes the objects before they are installed.
#[derive(Debug, Args)]
pub(super) struct PostRenderFlags {
    /// Let a plugin of helm, or a program, change the objects: from its standard input to its standard output
    #[arg(long, value_name = "NAME")]
    post_renderer: Option<String>,
    /// An argument for it (several)
    #[arg(long, value_name = "ARGUMENT", allow_hyphen_values = true)]
    post_renderer_args: Vec<String>,
}

impl PostRenderFlags {
    /// Who is meant, if anybody is.
    ///
    /// # Errors
    /// When there is neither such a plugin nor such a program, or the plugin is of a sort that is not run here.
    pub(super) fn meant(&self) -> Result<Option<PostRenderer>, Failure> {
        let Some(name) = self
            .post_renderer
            .as_deref()
            .filter(|name| !name.is_empty())
        else {
            return Ok(None);
        };
        let arguments = self.post_renderer_args.clone();
        let refuse = |what: String| {
            failed(format!(
                "invalid argument {name:?} for \"--post-renderer\" flag: {what}"
            ))
        };
        let found = plugins::post_renderer(name, |warning| messages::line(&warning));
        if let Some(plugin) = found.map_err(|failure| refuse(failure.what))? {
            return Ok(Some(PostRenderer::OfAll(Arc::new(move |text| {
                run_plugin(&plugin, &arguments, text)
            }))));
        }
        let Some(program) = program(name) else {
            let none = format!("plugin: {{Name:{name} Type:postrenderer/v1}} not found");
            return Err(refuse(none).hint(format!("and there is no program {name}, either")));
        };
        Ok(Some(PostRenderer::OfObjects(Arc::new(move |text| {
            run_program(&program, &arguments, text)
        }))))
    }
}

/// As helm 4 runs it. What it writes to standard error is seen there.
fn run_plugin(plugin: &Plugin, arguments: &[String], text: &str) -> Result<String, ProgramError> {
    let name = &plugin.name;
    let fails = |why: String| {
        ProgramError(format!(
            "failed to invoke post-renderer plugin {name:?}: {why}"
        ))
    };
    let command = plugin.command(arguments);
    let command = command.map_err(|failure| fails(failure.what))?;
    let done = run(command, text, Stdio::inherit()).map_err(|error| fails(error.to_string()))?;
    if !done.succeeded {
        return Err(fails(format!("plugin {name:?} exited with error")));
    }
    if done.output.trim().is_empty() {
        let what = format!("post-renderer {name:?} produced empty output");
        return Err(ProgramError(what));
    }
    Ok(done.output)
}

/// As helm 3 runs it.
fn run_program(program: &Path, arguments: &[String], text: &str) -> Result<String, ProgramError> {
    let mut command = Command::new(program);
    command.args(arguments);
    let shown = program.display();
    let done = run(command, text, Stdio::piped());
    let done = done
        .map_err(|error| ProgramError(format!("error while running command {shown}: {error}")))?;
    if done.succeeded {
        return Ok(done.output);
    }
    let Done { error, how, .. } = done;
    Err(ProgramError(format!(
        "error while running command {shown}. error output:\n{error}: {how}"
    )))
}

/// How a program ended.
struct Done {
    succeeded: bool,
    /// In the system's words.
    how: String,
    output: String,
    error: String,
}

/// Runs a program with a text as its standard input.
fn run(mut command: Command, text: &str, error: Stdio) -> io::Result<Done> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(error)
        .spawn()?;
    let stdin = child.stdin.take();
    let output = thread::scope(|scope| {
        if let Some(mut stdin) = stdin {
            // It may have read what it needs: that the rest finds nobody is no failure.
            scope.spawn(move || drop(stdin.write_all(text.as_bytes())));
        }
        child.wait_with_output()
    })?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ok(Done {
        succeeded: output.status.success(),
        how: output
            .status
            .to_string()
            .replace("exit status: ", "exit status "),
        output: text(output.stdout),
        error: text(output.stderr),
    })
}

/// The program of a name or a path, as a shell finds it.
fn program(name: &str) -> Option<PathBuf> {
    let is_program = |path: &Path| {
        use std::os::unix::fs::PermissionsExt as _;
        path.metadata()
            .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    };
    if name.contains('/') {
        let path = std::path::absolute(name).ok()?;
        return is_program(&path).then_some(path);
    }
    let path = env::var_os("PATH")?;
    let mut all = env::split_paths(&path).map(|folder| folder.join(name));
    all.find(|path| is_program(path))
}
