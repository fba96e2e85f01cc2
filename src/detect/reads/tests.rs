use super::*;

fn paths(text: &str) -> Vec<(String, From)> {
    let found = reads(text).paths.into_iter();
    found.map(|one| (one.path, one.from)).collect()
}

#[test]
fn paths_that_lead_to_other_packages_are_seen_however_they_are_written() {
    for (text, path, from) in [
        (
            "join(__dirname, '../../web/dist')",
            "../../web/dist",
            From::File,
        ),
        (
            "path.resolve(__dirname, '..', '..', 'web', 'dist')",
            "../../web/dist",
            From::File,
        ),
        (
            "path.join(import.meta.dirname, '../../web')",
            "../../web",
            From::File,
        ),
        (
            "join(dirname(fileURLToPath(import.meta.url)), '../../web')",
            "../../web",
            From::File,
        ),
        (
            "path.join(path.dirname(url.fileURLToPath(import.meta.url)), '../w')",
            "../w",
            From::File,
        ),
        (
            "new URL('../../web/', import.meta.url)",
            "../../web/",
            From::File,
        ),
        (
            "`${__dirname}/../../web/dist`",
            "../../web/dist",
            From::File,
        ),
        (
            "`${__dirname}/../../mail/${name}.html`",
            "../../mail",
            From::File,
        ),
        (
            "__dirname + '/../../web/dist'",
            "../../web/dist",
            From::File,
        ),
        (
            "resolve(process.cwd(), '..', 'web', 'dist')",
            "../web/dist",
            From::Started,
        ),
        ("path.resolve('../web/dist')", "../web/dist", From::Started),
        (
            "`${process.cwd()}/../web/dist`",
            "../web/dist",
            From::Started,
        ),
        ("process.cwd() + '/../web'", "../web", From::Started),
        ("join(root, '../web')", "../web", From::Unknown),
        (
            "join(__dirname, '../../mail', name)",
            "../../mail",
            From::File,
        ),
        (
            "join(process.cwd(), 'apps/web/dist')",
            "apps/web/dist",
            From::Started,
        ),
        (
            "load('../../packages/p.proto')",
            "../../packages/p.proto",
            From::Unknown,
        ),
    ] {
        assert_eq!(paths(text), [(path.to_owned(), from)], "{text}");
    }
}

/// A variable holds the directory.
#[test]
fn paths_behind_variables_are_seen() {
    let here = "const here = dirname(fileURLToPath(import.meta.url));";
    for (text, path, from) in [
        (
            format!("{here} app.use(express.static(join(here, '../../client/dist')))"),
            "../../client/dist",
            From::File,
        ),
        (
            format!("{here} const dist = path.join(here, '..', '..', 'client', 'dist'); serve(dist)"),
            "../../client/dist",
            From::File,
        ),
        (
            format!("{here} read(`${{here}}/../../mail/${{name}}.html`)"),
            "../../mail",
            From::File,
        ),
        (
            format!("{here} read(here + '/../../mail/a.html')"),
            "../../mail/a.html",
            From::File,
        ),
        (
            "const file: string = fileURLToPath(import.meta.url); const here = path.dirname(file); join(here, '../a/b')".to_owned(),
            "../a/b",
            From::File,
        ),
        (
            "const root = path.resolve(__dirname, '../../..'); load(path.join(root, 'packages/proto/x.proto'))".to_owned(),
            "../../../packages/proto/x.proto",
            From::File,
        ),
        (
            "const root = path.dirname(path.dirname(__dirname)); path.join(root, 'packages', 'proto')".to_owned(),
            "../../packages/proto",
            From::File,
        ),
        (
            "const up = new URL('../../', import.meta.url); readFile(new URL('web/dist/a.html', up))".to_owned(),
            "../../web/dist/a.html",
            From::File,
        ),
        (
            "const up = fileURLToPath(new URL('../..', import.meta.url)); join(up, 'web/dist')".to_owned(),
            "../../web/dist",
            From::File,
        ),
        (
            "const root = process.cwd(); join(root, '../web/dist',)".to_owned(),
            "../web/dist",
            From::Started,
        ),
        (
            "let dir = join(process.cwd(), '..'); dir = other; join(dir, 'web/dist')".to_owned(),
            "../web/dist",
            From::Started,
        ),
    ] {
        assert_eq!(paths(&text), [(path.to_owned(), from)], "{text}");
    }
    // Two places of one name, a member of that name, and what is computed are not known.
    for text in [
        "{ const d = __dirname } { const d = process.cwd() } join(d, 'web/dist')",
        "const d = __dirname; join(this.d, 'web/dist')",
        "const d = process.env.ROOT ?? __dirname; join(d, 'web/dist')",
        "const d = __dirname + suffix; join(d, 'web/dist')",
        "const d = join(__dirname, name); join(d, 'web/dist')",
    ] {
        assert_eq!(paths(text), [], "{text}");
    }
}

#[test]
fn paths_of_calls_that_read_or_start_files_begin_where_the_app_starts() {
    for (text, path) in [
        ("fork('./scripts/w.mjs')", "./scripts/w.mjs"),
        ("new Worker('workers/hash.js')", "workers/hash.js"),
        (
            "fs.readFileSync(\"docs/api.json\", 'utf8')",
            "docs/api.json",
        ),
        ("await readFile('../x/y.json')", "../x/y.json"),
    ] {
        assert_eq!(paths(text), [(path.to_owned(), From::Started)], "{text}");
    }
    assert_eq!(
        paths("readFileSync('/etc/passwd'); readFileSync('a.txt')"),
        []
    );
}

#[test]
fn globs_of_sources_are_seen() {
    let globs = |text: &str| reads(text).globs.into_iter().collect::<Vec<_>>().join(" ");
    assert_eq!(
        globs("jsdoc({ apis: ['./src/routes/*.ts'] })"),
        "./src/routes/*.ts"
    );
    assert_eq!(
        globs("({ entities: 'src/**/*.entity.{ts,js}' })"),
        "src/**/*.entity.{ts,js}"
    );
    assert_eq!(
        globs("({ entitiesTs: ['./src/**/*.ts'], entities: ['./dist/**/*.js'] })"),
        ""
    );
}

#[test]
fn what_is_no_path_is_not_one() {
    for text in [
        "import x from '../../a'; export * from '../b'; require('../c'); await import('../d')",
        "join(__dirname, '..')",
        "join(__dirname, 'public')",
        "load('apps/web/dist')",
        "// join(__dirname, '../../web')",
        "console.log('go up .. and down'); x('https://a/../b')",
        "glob('../../src/**/*.ts')",
    ] {
        assert_eq!(paths(text), [], "{text}");
    }
}

#[test]
fn modules_are_those_that_code_loads() {
    let text = "import a from 'a'; import type {B} from 'b'; import {type C, c} from 'c/sub'; export * from '@d/e';
        export type {F} from 'f'; export type N = string; const g = require('g'); require.resolve('h'); type I = typeof import('i');
        await import('j'); x.require('k'); import 'l'; import type from 'm'";
    let found = reads(text).modules;
    let names: Vec<&str> = found.iter().map(String::as_str).collect();
    assert_eq!(names, ["@d/e", "a", "c/sub", "g", "h", "j", "l", "m"]);
    for odd in [
        "join(",
        "`${",
        "new URL(",
        "join(__dirname,",
        "__dirname +",
        "import type",
    ] {
        assert_eq!(reads(odd), Reads::default(), "{odd}");
    }
}

#[test]
fn what_always_is_loaded_is_told_apart() {
    let text = "import a from 'a'; import {type B} from 'b'; import type C from 'c'; export * from 'd'; import 'e';
        const f = require('f'); const {g} = require('g'); try { require('h') } catch {} const i = x ? require('i') : 0;
        function j() { return require('j') } await import('k'); require('l')";
    let found = reads(text);
    let names = |set: BTreeSet<String>| set.into_iter().collect::<Vec<_>>().join(" ");
    assert_eq!(names(found.imported), "a b d e");
    assert_eq!(names(found.required), "f g l");
}
