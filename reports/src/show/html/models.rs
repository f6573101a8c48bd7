//! Bounded models as a section of a page.

use maud::{Markup, html};

use super::{badge, links};
use crate::report::model::ModelReport;
use crate::show::cells;

/// All models, a row each, with the story of each counterexample.
pub(super) fn section(models: &[ModelReport]) -> Markup {
    html! {
        h2 id="models" { "Bounded models" }
        p { "Everything that can happen within the bounds of a model file, explored by stateright; a counterexample is the shortest there is, and its trace can be replayed. Where NoteCove's specification is among them, its states are counted beside TLC's." }
        div.wide {
            table {
                tr {
                    th { "" } th { "model" } th { "outcome" } th { "states" } th { "generated" } th { "states/s" }
                    th { "bytes/state" } th { "depth" } th { "complete" } th { "again" }
                }
                @for model in models {
                    tr {
                        td { (badge(model.ok)) }
                        td {
                            (model.file) br; small { (cells::model(model)) }
                            @if !model.about.is_empty() { br; small { (model.about) } }
                        }
                        td { (model.outcome) }
                        td.number { (model.unique_states) }
                        td.number { (model.generated_states) }
                        td.number { (model.states_per_s) }
                        td.number { (model.bytes_per_state.map_or("-".into(), |bytes| bytes.to_string())) }
                        td.number { (model.depth) }
                        td { @if model.complete { "yes" } @else { "until the violation" } }
                        td {
                            code { (model.reproduce) }
                            (links(model.trace.as_ref()))
                        }
                    }
                }
            }
        }
        @for model in models.iter().filter(|model| !model.story.is_empty()) {
            details {
                summary { "How " (model.file) " goes wrong, step by step" }
                ol { @for line in &model.story { li { (line) } } }
            }
        }
    }
}
