//! The command line, as people and scripts meet it.
mod arguments;
mod doctor;
mod environment;
mod failures;
mod flow;
mod interrupts;
mod json;
mod prompts;
mod secrets;
