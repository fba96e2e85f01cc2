#![no_main]
slimbuild_fuzz::target!("settings");
