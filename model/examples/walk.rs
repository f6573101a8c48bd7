#![allow(missing_docs, clippy::disallowed_methods, clippy::unwrap_used, reason = "x")]
use cloudchamber_folder::systems::failover::FailoverSystem;
use cloudchamber_model::{FolderModel, ModelSpec};
use stateright::Model as _;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let file = std::path::Path::new(&args[1]);
    let n: usize = args[2].parse().unwrap();
    let mut seed: u64 = args[3].parse().unwrap();
    let spec = ModelSpec::<FailoverSystem>::parse(file, &std::fs::read_to_string(file).unwrap()).unwrap();
    let model = FolderModel::new(spec);
    let mut state = model.init_states().pop().unwrap();
    for _ in 0..n {
        let mut actions = vec![];
        model.actions(&state, &mut actions);
        if actions.is_empty() {
            break;
        }
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        let at = (seed >> 33) as usize % actions.len();
        println!("{:>6} {:?} of {}", state.world.now(), actions[at], actions.len());
        state = model.next_state(&state, actions.swap_remove(at)).unwrap();
    }
    println!("{state:?}");
}
