//! The files that follow from the code: manual pages, completions, JSON Schema. They are committed, and a test compares
//! them.

mod explain_page;
mod man;
mod roff;

pub use explain_page::explain_page;
pub use man::man_page;

use crate::cli::{self, Document, Shell};
use crate::diagnose::manual;
use crate::model::report::{Report, SCHEMA_VERSION};
use crate::model::watch::{Line, WATCH_VERSION};
use clap::Command;
use clap::builder::{PossibleValue, PossibleValuesParser};
use schemars::generate::SchemaSettings;

/// The completion script for `shell`.
pub fn completion(shell: Shell) -> Vec<u8> {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut with_ids(cli::definition()), "diag", &mut script);
    script
}

/// The command line with the ids of the bottlenecks, which it does not know by itself.
fn with_ids(command: Command) -> Command {
    let ids =
        manual::entries().into_iter().map(|entry| PossibleValue::new(entry.id.as_str()).help(entry.title));
    let ids = PossibleValuesParser::new(ids);
    // All of them, since the one that is changed alone would go to the end of the list.
    command.mut_subcommands(|subcommand| match subcommand.get_name() {
        "explain" => subcommand.mut_arg("id", |id| id.value_parser(ids.clone())),
        _ => subcommand,
    })
}

/// The JSON Schema (draft 2020-12) of what diag writes.
pub fn schema(document: Document) -> String {
    // As it is written: every field is there, and what is not known is null.
    let generator = SchemaSettings::draft2020_12().for_serialize().into_generator();
    let (mut schema, name, version) = match document {
        Document::Report => (generator.into_root_schema_for::<Report>(), "report", SCHEMA_VERSION),
        Document::Watch => (generator.into_root_schema_for::<Line>(), "watch", WATCH_VERSION),
    };
    schema.insert("$id".to_owned(), format!("urn:diag:{name}:v{version}").into());
    schema.insert("title".to_owned(), format!("diag {name}, version {version}").into());
    format!("{:#}\n", schema.as_value())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_code_gives_the_same_files() {
        assert_eq!(man_page(), man_page());
        assert_eq!(explain_page(), explain_page());
        assert_eq!(schema(Document::Watch), schema(Document::Watch));
    }

    #[test]
    fn what_may_be_unknown_may_be_null() {
        let schema: serde_json::Value = serde_json::from_str(&schema(Document::Report)).unwrap();
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
        assert_eq!(schema["$defs"]["HostReport"]["properties"]["hostname"]["type"][1], "null");
        let required = schema["$defs"]["Verdict"]["required"].as_array().unwrap();
        assert!(required.iter().any(|field| field == "culprit"));
    }
}
