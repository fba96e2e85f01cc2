use std::process::Command;

use super::*;
use crate::image::layer::LayerEntry;

/// A package with libraries that a compiler made: `NAME: (text of C, its libraries)`.
struct Made {
    dir: tempfile::TempDir,
    layer: Layer,
}

impl Made {
    fn new(manifest: &str) -> Self {
        let dir = crate::testing::tree(&[("package.json", manifest)]);
        let layer = Layer::default();
        Self { dir, layer }
    }

    /// Compiles a library without the system's. `versions` is a linker's version script.
    fn library(&self, file: &str, soname: &str, text: &str, versions: &str, with: &[&str]) {
        let path = |name: &str| self.dir.path().join(name);
        fs_err::create_dir_all(path(file).parent().unwrap()).unwrap();
        fs_err::write(path("x.c"), text).unwrap();
        fs_err::write(path("x.map"), versions).unwrap();
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-nostdlib", "-o", file, "x.c"]);
        cc.arg(format!("-Wl,-soname,{soname}"));
        if !versions.is_empty() {
            cc.arg("-Wl,--version-script=x.map");
        }
        let status = cc.args(with).current_dir(self.dir.path()).status();
        assert!(status.unwrap().success());
    }

    fn add(&mut self, file: &str) {
        let from = self.dir.path().join(file);
        let node = LayerNode::File { from, mode: 0o644 };
        let path = format!("app/node_modules/p/{file}");
        self.layer.entries.insert(path, LayerEntry::root(node));
    }

    fn misfits(&self, base: &Libraries) -> Vec<String> {
        let code = code(std::slice::from_ref(&self.layer));
        let misfits = misfits(&code, &Platform::host(), base);
        misfits.iter().map(ToString::to_string).collect()
    }
}

const P: &str = r#"{"name": "p", "version": "1.2.3"}"#;

/// A base whose libc has versions up to 2.36.
fn base() -> (Made, Libraries) {
    let base = Made::new("{}");
    let versions =
        "GLIBC_2.9 { f; }; GLIBC_2.36 { g; } GLIBC_2.9; GLIBC_PRIVATE { h; } GLIBC_2.36;";
    base.library(
        "usr/lib/x86_64-linux-gnu/libc.so.6",
        "libc.so.6",
        "void f() {} void g() {} void h() {}",
        versions,
        &[],
    );
    let libraries =
        Libraries::of(&crate::files::rooted::ImageTree::open([base.dir.path()]).unwrap()).unwrap();
    (base, libraries)
}

#[test]
fn what_was_made_on_a_newer_system_is_found() {
    let (base, libraries) = base();
    let old = base.dir.path().join("usr/lib/x86_64-linux-gnu/libc.so.6");
    let old = old.to_str().unwrap();
    let mut package = Made::new(P);
    package.library(
        "newer.so",
        "libc.so.6",
        "void n() {}",
        "GLIBC_2.38 { n; };",
        &[],
    );
    package.library(
        "build/Release/fits.node",
        "x",
        "void g(); void x() { g(); }",
        "",
        &[old],
    );
    package.add("build/Release/fits.node");
    assert_eq!(package.misfits(&libraries), [""; 0]);

    let text = "void n(); void x() { n(); }";
    package.library("prebuilds/new.node", "x", text, "", &["newer.so"]);
    package.add("prebuilds/new.node");
    let told = "p@1.2.3 needs GLIBC_2.38 of libc.so.6, and the base's is older: it has GLIBC_2.36 (`app/node_modules/p/prebuilds/new.node`)";
    assert_eq!(package.misfits(&libraries), [told]);
    // Where nothing is known of the base, nothing is said.
    assert_eq!(package.misfits(&Libraries::default()), [""; 0]);
    // One of two may be for newer systems.
    package.library(
        "prebuilds/old.node",
        "x",
        "void g(); void x() { g(); }",
        "",
        &[old],
    );
    package.add("prebuilds/old.node");
    assert_eq!(package.misfits(&libraries), [""; 0]);
}

#[test]
fn libraries_that_come_along_count_too() {
    let (_base, libraries) = base();
    let mut package = Made::new(P);
    package.library(
        "newer.so",
        "libc.so.6",
        "void n() {}",
        "GLIBC_2.38 { n; };",
        &[],
    );
    let text = "void n(); void x() { n(); }";
    package.library("lib/libx.so.1", "libx.so.1", text, "", &["newer.so"]);
    package.library(
        "a.node",
        "a",
        "void x(); void y() { x(); }",
        "",
        &["lib/libx.so.1"],
    );
    package.add("lib/libx.so.1");
    assert_eq!(package.misfits(&libraries), [""; 0]);
    package.add("a.node");
    let told = "p@1.2.3 needs GLIBC_2.38 of libc.so.6, and the base's is older: it has GLIBC_2.36 (`app/node_modules/p/lib/libx.so.1`)";
    assert_eq!(package.misfits(&libraries), [told]);
}

#[test]
fn of_libraries_of_one_name_one_has_to_fit() {
    let (base, libraries) = base();
    let old = base.dir.path().join("usr/lib/x86_64-linux-gnu/libc.so.6");
    let old = old.to_str().unwrap();
    let mut package = Made::new(P);
    let musl = "libc.musl-x86_64.so.1";
    package.library("musl.so", musl, "void n() {}", "", &[]);
    let text = "void n(); void x() { n(); }";
    package.library("musl/libv.so.1", "libv.so.1", text, "", &["musl.so"]);
    let text = "void g(); void x() { g(); }";
    package.library("gnu/libv.so.1", "libv.so.1", text, "", &[old]);
    let text = "void x(); void w() { x(); }";
    package.library("libw.so.1", "libw.so.1", text, "", &["gnu/libv.so.1"]);
    let text = "void w(); void y() { w(); }";
    package.library("a.node", "a", text, "", &["libw.so.1"]);
    package.add("a.node");
    package.add("libw.so.1");
    package.add("musl/libv.so.1");
    let told = "p@1.2.3 was compiled for musl, and the base has glibc (`app/node_modules/p/musl/libv.so.1`)";
    assert_eq!(package.misfits(&libraries), [told]);
    package.add("gnu/libv.so.1");
    assert_eq!(package.misfits(&libraries), [""; 0]);
}

#[test]
fn what_is_for_musl_runs_elsewhere() {
    let (_base, libraries) = base();
    let of_musl = |manifest: &str| {
        let mut package = Made::new(manifest);
        let musl = "libc.musl-x86_64.so.1";
        package.library("musl.so", musl, "void n() {}", "", &[]);
        package.library(
            "a.node",
            "a",
            "void n(); void x() { n(); }",
            "",
            &["musl.so"],
        );
        package.add("a.node");
        package.misfits(&libraries)
    };
    assert_eq!(
        of_musl(P),
        ["p@1.2.3 was compiled for musl, and the base has glibc (`app/node_modules/p/a.node`)"]
    );
    // A package that is for musl alone has a sibling.
    assert_eq!(of_musl(r#"{"name": "p-musl", "libc": ["musl"]}"#), [""; 0]);
}

#[test]
fn packages_for_another_processor_are_named() {
    let code = |owner: &str, machine| Code {
        path: String::new(),
        from: PathBuf::new(),
        package: Some((String::new(), owner.to_owned())),
        elf: Elf { machine },
    };
    let (x64, arm64) = (62, 183);
    let all = [
        code("sqlite@1.0.0", x64),
        code("both@1.0.0", x64),
        code("both@1.0.0", arm64),
        code("@img/sharp-linux-x64@1.0.0", x64),
        code("@img/sharp-linux-arm64@1.0.0", arm64),
        code("@img/vips-linux-x64@1.0.0", x64),
    ];
    let platform = "linux/arm64".parse().unwrap();
    let foreign: Vec<String> = foreign(&all, &platform).into_iter().collect();
    assert_eq!(foreign, ["@img/vips-linux-x64@1.0.0", "sqlite@1.0.0"]);
}

#[test]
fn binaries_are_told_by_how_they_begin() {
    let long = "\u{7f}ELF\u{2}\u{1}\u{1}0000000000000000";
    let dir = crate::testing::tree(&[
        ("a", long),
        ("b", "text that is long enough"),
        ("c", "\u{7f}ELF"),
    ]);
    let elf = |name: &str| Elf::head(&dir.path().join(name)).is_some();
    assert!(elf("a") && !elf("b") && !elf("c") && !elf("d"));
}

#[test]
fn a_binary_of_any_bytes_is_read_to_an_end() {
    let base = Made::new("{}");
    let versions = "V_1.1 { f; }; V_1.2 { g; } V_1.1;";
    base.library("a.so", "a.so", "void f() {} void g() {}", versions, &[]);
    base.library("b.so", "b.so", "void g(); void x() { g(); }", "", &["a.so"]);
    let began = std::time::Instant::now();
    for name in ["a.so", "b.so"] {
        let whole = fs_err::read(base.dir.path().join(name)).unwrap();
        let changed = base.dir.path().join("changed.so");
        for at in (0..whole.len()).step_by(29) {
            for bits in [0x01, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] ^= bits;
                fs_err::write(&changed, bytes).unwrap();
                let file = fs_err::File::open(&changed).unwrap().into_file();
                drop((Elf::needs(&changed), Elf::defines(file)));
            }
        }
        for cut in (0..whole.len()).step_by(101) {
            fs_err::write(&changed, &whole[..cut]).unwrap();
            let file = fs_err::File::open(&changed).unwrap().into_file();
            drop((Elf::needs(&changed), Elf::defines(file)));
        }
    }
    assert!(began.elapsed() < std::time::Duration::from_secs(60));
}
