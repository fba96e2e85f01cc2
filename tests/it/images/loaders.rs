//! An app started by a TypeScript loader that is a dev dependency.

use crate::support::container::Container;
use crate::support::daemon::one_daemon;
use crate::support::tree::Tree;

const LOCKFILE: &str = include_str!("loaders/pnpm-lock.yaml");

/// Needs more than node's type stripping: an enum, an old-style decorator, a name that only `paths`
/// resolves, a library's sources, and names of files as only loaders complete them.
const MAIN: &str = "
import { createServer } from 'node:http';
import { Greeting } from 'lib';
import { Greeter } from '~/greeter';
import { one } from './one';
import { two } from './two.js';
import { three } from './three';
createServer((_, response) => response.end(new Greeter().greet(Greeting.Hello) + one + two + three)).listen(3000);
";

const GREETER: &str = "
function loud(_: unknown, __: string, property: PropertyDescriptor): void {
  const inner = property.value;
  property.value = (text: string): string => inner(text).toUpperCase();
}
export class Greeter {
  @loud greet(text: string): string { return text; }
}
";

#[test]
fn an_app_boots_read_only_that_tsx_starts() {
    one_daemon("an_app_boots_read_only_that_tsx_starts", |daemon| {
        let tree = Tree::new(&[
            ("package.json", r#"{"private": true}"#),
            (
                "pnpm-workspace.yaml",
                "packages: ['apps/*', 'packages/*']\n",
            ),
            ("pnpm-lock.yaml", LOCKFILE),
            (
                "apps/a/package.json",
                r#"{"name": "a", "scripts": {"start": "tsx src/main"}, "dependencies": {"lib": "workspace:*"},
                    "devDependencies": {"config": "workspace:*", "tsx": "4.19.2", "is-odd": "3.0.1"}}"#,
            ),
            (
                "apps/a/tsconfig.json",
                r#"{"extends": "config/node.json", "compilerOptions": {"paths": {"~/*": ["./src/*"]}}}"#,
            ),
            ("apps/a/src/main.ts", MAIN),
            ("apps/a/src/greeter.ts", GREETER),
            ("apps/a/src/one.ts", "export const one: number = 1;"),
            ("apps/a/src/two.ts", "export const two: number = 2;"),
            (
                "apps/a/src/three/index.ts",
                "export const three: number = 3;",
            ),
            ("packages/config/package.json", r#"{"name": "config"}"#),
            (
                "packages/config/node.json",
                r#"{"extends": "../../tsconfig.base.json"}"#,
            ),
            (
                "tsconfig.base.json",
                r#"{"compilerOptions": {"experimentalDecorators": true}}"#,
            ),
            (
                "packages/lib/package.json",
                r#"{"name": "lib", "main": "src/index.ts"}"#,
            ),
            (
                "packages/lib/src/index.ts",
                "export enum Greeting { Hello = 'hello' }\n",
            ),
        ]);
        let tag = daemon.tag("loaders");
        let arguments = ["apps/a", "-q", "--node", "22", "-t", &tag.name];
        daemon.slimbuild(tree.root(), &arguments).bytes();
        let container = Container::start(daemon, &tag.name, 3000);
        assert_eq!(container.get(3000, "/"), "HELLO123");
        assert_eq!(container.stop(), 143, "signals reach the program");
        let modules = "console.log(fs.readdirSync('node_modules').join(' '))";
        let output = Container::output(daemon, &tag.name, &["-e", modules]);
        assert_eq!(output, ".bin config lib tsx\n", "no other dev dependency");
    });
}
