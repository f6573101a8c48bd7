//! Files in memory pass the cases that the simulated disk passes.

use cloudchamber_core::MemoryFs;
use cloudchamber_folder::conformance::cases;

#[test]
fn files_in_memory_are_as_the_simulated_disk() {
    for case in cases() {
        println!("{}", case.name);
        (case.run)(&mut MemoryFs::default());
    }
    assert!(cases().len() >= 20, "the cases got lost");
}
