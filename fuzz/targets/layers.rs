#![no_main]
slimbuild_fuzz::target!("layers");
