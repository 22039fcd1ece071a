//! The command line of Glasswork.

mod acp;
mod answering;
mod ask;
mod attach;
mod attached_screen;
mod bisect;
mod branch;
mod bundle;
mod bundle_commands;
mod charts;
mod choosing;
mod close;
mod commands;
mod compact;
mod compose;
mod console;
mod demo;
mod doctor;
mod drive;
mod escape;
mod export;
mod failed_disk;
mod graph;
mod hidden_line;
mod hosts;
mod http_door;
mod import;
mod login;
mod mcp;
mod model_commands;
mod models;
mod one_session;
mod outline;
mod pick;
mod picker;
mod plan;
mod problem;
mod read;
mod reading_commands;
mod replay;
mod request;
mod resume;
mod run;
mod serve;
mod session_commands;
mod session_list;
mod session_repair;
mod session_tree;
mod sessions;
mod settings;
mod shell;
mod show;
mod signals;
mod stuck;
mod tree_commands;
mod typing;

use clap::Parser as _;
use glasswork_app_runtime::ending::ExitCode;
use glasswork_app_runtime::homes::Environment;

use commands::{Auth, Command, CommandLine};
use compose::Place;
use console::Console;
use problem::Problem;

fn main() -> std::process::ExitCode {
    let console = Console::find(&Environment::of_process());
    let code = match perform(CommandLine::parse().command, &console) {
        Ok(code) => code,
        Err(Problem::Closed) => ExitCode::Done,
        Err(Problem::Told { code, text }) => {
            console.note(&format!(
                "{} {}\n",
                console.err.red("error:"),
                escape::text(&text)
            ));
            code
        }
    };
    std::process::ExitCode::from(code as u8)
}

fn perform(command: Command, console: &Console) -> Result<ExitCode, Problem> {
    match command {
        Command::Demo(arguments) => demo::demo(&arguments, console),
        Command::Run(arguments) => run::run(&arguments, console),
        Command::Resume(arguments) => resume::resume(&arguments, console),
        Command::Acp(arguments) => acp::acp(&arguments, console),
        Command::Serve(arguments) => serve::serve(&arguments, console),
        Command::Hosts(json) => hosts::hosts(json, console),
        Command::Attach(arguments) => attach::attach(&arguments, console),
        Command::Sessions(command) => sessions::sessions(&command, console),
        Command::Reading(command) => read::read(&command, &Place::find()?.sessions()?, console),
        Command::Bundle(arguments) => bundle::bundle(&arguments, console),
        Command::Open(arguments) => bundle::open(&arguments, console),
        Command::Schema => graph::schema(console),
        Command::Charts(arguments) => charts::charts(&arguments, console),
        Command::Replay(arguments) => replay::replay(&arguments, console),
        Command::Mcp(arguments) => mcp::mcp(&arguments, console),
        Command::Models(arguments) => models::models(&arguments, console),
        Command::Settings(json) => settings::settings(json, console),
        Command::Login(arguments) => login::login(&arguments, console),
        Command::Logout { provider } => login::logout(&provider, console),
        Command::Auth(Auth::Status(json)) => login::status(json, console),
        Command::Doctor(json) => doctor::doctor(json, console),
        Command::Completions { shell } => shell::completions(shell, console),
        Command::Man => shell::manual(console),
    }
}
