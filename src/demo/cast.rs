//! Who plays in the demo: names, when they stop answering, and what they do about the follow-up.
//!
//! Not random: the same people do the same every time, so that what is printed can be read about.

/// Minutes of schedule time.
pub(super) type Minutes = i64;

/// What somebody does after the bot's question.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    /// Answers by themselves, so long after the question: no follow-up must reach them.
    ComesBack(Minutes),
    /// Says this to the follow-up, so long after it.
    Replies(Minutes, &'static str),
    /// Says yes, gets the question again, answers it and is done.
    Resumes(Minutes),
    /// Says nothing more.
    Silent,
}

/// One of the cast.
#[derive(Clone, Copy, Debug)]
pub(super) struct Person {
    pub(super) name: &'static str,
    /// When the bot asks, in minutes after the curtain rises.
    pub(super) asked: Minutes,
    /// Which of the questions they leave unanswered.
    pub(super) question: usize,
    pub(super) role: Role,
    /// What is decided about them is shown with its reasons.
    pub(super) explained: bool,
}

/// The questions of the flow.
pub(super) const QUESTIONS: [&str; 3] = ["What is your full name?", "Which city do you live in?", "Please send a photo of your document."];

/// The curtain rises at 17:00 in Bogotá; offices close at 19:00 and open at 8:00, fifteen hours later.
pub(super) fn cast() -> Vec<Person> {
    let mut cast = vec![
        person("Ana", 2, 0, Role::Resumes(6)).explained(),
        person("Ben", 100, 1, Role::Resumes(15)).explained(),
        person("Carla", 110, 2, Role::ComesBack(490)).explained(),
        person("Diego", 12, 1, Role::Replies(5, "No")),
        person("Elena", 20, 2, Role::Silent),
        person("Felipe", 130, 0, Role::Replies(40, "más tarde")),
        person("Gloria", 28, 1, Role::Replies(9, "STOP")),
        person("Hugo", 140, 2, Role::Replies(70, "ya casi, busco mi cédula")),
        person("Inés", 44, 0, Role::ComesBack(20)),
        person("Jorge", 600, 1, Role::Silent),
    ];
    let others = [
        "Karen", "Luis", "Marta", "Nico", "Olga", "Pablo", "Quique", "Rosa", "Sara", "Tomás", "Úrsula", "Víctor", "Wendy", "Ximena",
        "Yago", "Zoe", "Andrés", "Beatriz", "César", "Daniela", "Emilio", "Fabiola", "Gabriel", "Helena", "Iván", "Julia",
    ];
    let roles =
        [Role::Resumes(12), Role::Silent, Role::ComesBack(15), Role::Resumes(25), Role::Replies(10, "no gracias"), Role::ComesBack(30)];
    for (i, name) in others.into_iter().enumerate() {
        // Spread over the evening, the night and the next morning.
        let asked = 30 + (i as Minutes * 43) % 1_050;
        cast.push(person(name, asked, i % QUESTIONS.len(), roles[i % roles.len()]));
    }
    cast
}

fn person(name: &'static str, asked: Minutes, question: usize, role: Role) -> Person {
    Person { name, asked, question, role, explained: false }
}

impl Person {
    fn explained(self) -> Person {
        Person { explained: true, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn a_few_dozen_people_of_every_kind() {
        let cast = cast();
        let names: BTreeSet<_> = cast.iter().map(|p| p.name).collect();
        assert_eq!(names.len(), cast.len(), "names are conversations: no two may share one");
        assert!(cast.len() >= 24);
        assert!(cast.iter().any(|p| p.role == Role::Silent) && cast.iter().any(|p| matches!(p.role, Role::ComesBack(_))));
    }
}
