//! Packages that a production install brings only because the development of the workspace has them.
//!
//! pnpm links an optional peer wherever the workspace has the package, as a dev dependency too. So
//! `@prisma/client` brings Prisma's command line and TypeScript into production: often more than the
//! rest of the image. Code that may find an optional peer missing also works without it, but some of
//! it does less then: `pg` is an optional peer of `sequelize`. So only tools of developers are
//! spared, of which a running app has no use.

/// What becomes of developers' tools that are there only as optional peers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tools {
    /// They stay, as pnpm would have it.
    Stay,
    /// They are left out.
    Spared,
}

/// Compilers, bundlers, linters, test runners, and command lines.
const TOOLS: [&str; 31] = [
    "@babel/core",
    "@biomejs/biome",
    "@jest/globals",
    "@playwright/test",
    "@rspack/core",
    "@swc/cli",
    "@swc/core",
    "@typescript/native-preview",
    "babel-plugin-macros",
    "babel-plugin-react-compiler",
    "cypress",
    "drizzle-kit",
    "esbuild",
    "eslint",
    "jest",
    "less",
    "mocha",
    "parcel",
    "prisma",
    "rolldown",
    "rollup",
    "sass",
    "sass-embedded",
    "storybook",
    "stylelint",
    "stylus",
    "terser",
    "typescript",
    "vite",
    "vitest",
    "webpack",
];

/// Scopes that hold nothing else.
const SCOPES: [&str; 4] = [
    "@storybook/",
    "@testing-library/",
    "@types/",
    "@typescript-eslint/",
];

/// Whether the package is a developer's tool.
pub fn is_tool(name: &str) -> bool {
    TOOLS.binary_search(&name).is_ok() || SCOPES.iter().any(|scope| name.starts_with(scope))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_running_app_may_load_is_no_tool() {
        assert!(TOOLS.is_sorted());
        let tools = [
            "typescript",
            "prisma",
            "@types/react",
            "@storybook/react",
            "webpack",
        ];
        assert!(tools.iter().all(|name| is_tool(name)));
        // `@swc/helpers` is compiled code's own library; `playwright` drives browsers of servers, too.
        let loaded = [
            "pg",
            "bufferutil",
            "nodemailer",
            "@swc/helpers",
            "playwright",
            "tsx",
            "@prisma/client",
            "typescript-eslint-parser",
        ];
        assert!(!loaded.iter().any(|name| is_tool(name)));
    }
}
