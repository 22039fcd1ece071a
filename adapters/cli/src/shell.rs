//! What shells and manuals want to know of the table of commands.

use clap::CommandFactory as _;
use glasswork_app_runtime::ending::ExitCode;

use crate::commands::CommandLine;
use crate::console::Console;
use crate::problem::Problem;

/// Prints the completions of a shell.
pub(crate) fn completions(shell: clap_complete::Shell, console: &Console) -> Result<ExitCode, Problem> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut CommandLine::command(), "glasswork", &mut text);
    console.data(&String::from_utf8_lossy(&text))?;
    Ok(ExitCode::Done)
}

/// Prints the manual page.
pub(crate) fn manual(console: &Console) -> Result<ExitCode, Problem> {
    use strum::VariantArray as _;
    let mut text = Vec::new();
    let page = clap_mangen::Man::new(CommandLine::command());
    page.render(&mut text).map_err(Problem::failed)?;
    let mut text = String::from_utf8_lossy(&text).into_owned();
    text.push_str(".SH \"EXIT STATUS\"\n");
    for code in ExitCode::VARIANTS {
        text.push_str(&format!(".TP\n{}\n{}\n", *code as u8, code.meaning()));
    }
    console.data(&text)?;
    Ok(ExitCode::Done)
}
