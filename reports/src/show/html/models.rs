//! Bounded models as a section of a page.

use maud::{Markup, html};

use super::links;
use super::matrix::{chip, grouped};
use super::table::{Table, number, text};
use crate::report::model::ModelReport;
use crate::show::cells;

/// All models, a row each, with the story of each counterexample.
pub(super) fn section(models: &[ModelReport]) -> Markup {
    html! {
        p { "Everything that can happen within the bounds of a model file, explored by stateright; a counterexample is the shortest there is, and its trace can be replayed. Where NoteCove's specification is among them, its states are counted beside TLC's." }
        @for models in models.chunk_by(|one, next| one.system == next.system) {
            @let states: usize = models.iter().map(|model| model.unique_states).sum();
            @let found = models.iter().filter(|model| !model.story.is_empty()).count();
            details open[models.iter().any(|model| !model.ok)] {
                summary { (models[0].system) ": " (models.len()) " models, " (grouped(states)) " states, " (found) " counterexamples" }
                (of_system(models))
            }
        }
    }
}

fn of_system(models: &[ModelReport]) -> Markup {
    let mut table = Table::new(["", "model", "outcome", "states", "depth", "speed", "look at it"]);
    for model in models {
        let name = html! {
            b { (model.file) } br; small { (cells::model(model)) }
            @if !model.about.is_empty() { br; small { (model.about) } }
        };
        let outcome = html! {
            (model.outcome)
            @if !model.story.is_empty() {
                details { summary { "step by step" } ol { @for line in &model.story { li { (line) } } } }
            }
        };
        let whole = if model.complete { "all" } else { "until the violation" };
        let states = html! { (grouped(model.unique_states)) br; small { (whole) ", " (grouped(model.generated_states)) " generated" } };
        let bytes = model.bytes_per_state.map(|bytes| format!("{bytes} bytes a state"));
        let speed = html! { (grouped(model.states_per_s)) " a second" @if let Some(bytes) = bytes { br; small { (bytes) } } };
        let look = html! { (links(model.trace.as_ref())) code { (model.reproduce) } };
        let class = (!model.ok).then_some("wrong");
        table.named(
            model.anchor(),
            class,
            vec![
                text(chip(model.state())),
                text(name),
                text(outcome),
                number(states),
                number(model.depth),
                number(speed),
                text(look),
            ],
        );
    }
    table.markup()
}
