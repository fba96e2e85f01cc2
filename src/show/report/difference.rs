//! What is added to a file.

use super::lines::Lines;

/// How many unchanged lines stand around.
const AROUND: usize = 2;

/// The lines that one change adds and replaces, with those around them, below the file's name.
pub fn difference(file: &str, before: &str, after: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let same = |pairs: &mut dyn Iterator<Item = (&&str, &&str)>| {
        pairs.take_while(|(old, new)| old == new).count()
    };
    let head = same(&mut old.iter().zip(&new));
    let rest = old.len().min(new.len()) - head;
    let tail = same(&mut old.iter().rev().zip(new.iter().rev())).min(rest);
    let mut text = Lines::default();
    text.line(format_args!("{file}"));
    for line in &old[head.saturating_sub(AROUND)..head] {
        text.line(format_args!("    {line}"));
    }
    for line in &old[head..old.len() - tail] {
        text.line(format_args!("  - {line}"));
    }
    for line in &new[head..new.len() - tail] {
        text.line(format_args!("  + {line}"));
    }
    let end = &old[old.len() - tail..];
    for line in end.iter().take(AROUND) {
        text.line(format_args!("    {line}"));
    }
    text.into_text()
}

#[cfg(test)]
mod tests {
    use insta::assert_snapshot;

    use super::*;

    #[test]
    fn lines_around_a_change_are_shown() {
        let before =
            "{\n  \"scripts\": {\n    \"build\": \"tsc\",\n    \"start\": \"node .\"\n  }\n}\n";
        let after = before.replace(
            "\"node .\"\n",
            "\"node .\",\n    \"image\": \"slimbuild .\"\n",
        );
        assert_snapshot!(difference("package.json", before, &after), @r#"
        package.json
              "scripts": {
                "build": "tsc",
          -     "start": "node ."
          +     "start": "node .",
          +     "image": "slimbuild ."
              }
            }
        "#);
        assert_snapshot!(difference("a", "x\nx\n", "x\nx\nx\n"), @r"
        a
            x
            x
          + x
        ");
        assert_snapshot!(difference("a", "", "x\n"), @r"
        a
          + x
        ");
    }
}
