//! The relations between processes.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use crate::machine::json::{Fields, Json, Problem, Text, Value};
use crate::machine::relations::{
    Drain, Edge, EdgeId, Group, GroupRestart, Links, Membership, Quit, Relations,
};
use crate::machine::run::StopReason;
use crate::machine::view::{Facts, Level};
use crate::machine::{Dependency, Machine, Name};

impl Json for Relations {
    fn write(&self, out: &mut Text) {
        let Self { links, missing, groups, tasks: _ } = self;
        let links = links.iter().map(Option::as_deref);
        let mut missing: Vec<(&Name, &Vec<EdgeId>)> = missing.iter().collect();
        missing.sort_unstable_by_key(|(name, _)| *name);
        let mut groups: Vec<(&Name, &Group)> = groups.iter().collect();
        groups.sort_unstable_by_key(|(name, _)| *name);
        let missing: Vec<Missing> = missing
            .into_iter()
            .map(|(name, edges)| Missing { name: name.clone(), edges: edges.clone() })
            .collect();
        let groups: Vec<NamedGroup> = groups
            .into_iter()
            .map(|(name, group)| NamedGroup { name: name.clone(), group: group.clone() })
            .collect();
        out.object()
            .options::<Links, _>("links", links)
            .with("missing", &missing)
            .with("groups", &groups)
            .end();
    }

    fn read(value: Value<'_>, begin: Instant) -> Result<Self, Problem> {
        let mut fields = Fields::new(value, begin)?;
        let links: Vec<Option<Links>> = fields.take("links")?;
        let missing: Vec<Missing> = fields.take("missing")?;
        let groups: Vec<NamedGroup> = fields.take("groups")?;
        fields.end()?;
        let (missing_count, group_count) = (missing.len(), groups.len());
        let missing: HashMap<_, _> =
            missing.into_iter().map(|Missing { name, edges }| (name, edges)).collect();
        let groups: HashMap<_, _> =
            groups.into_iter().map(|NamedGroup { name, group }| (name, group)).collect();
        if (missing.len(), groups.len()) != (missing_count, group_count) {
            return Err(Problem::of("relations", "has a name twice"));
        }
        let links = links.into_iter().map(|links| links.map(Box::new)).collect();
        Ok(Self { links, missing, groups, tasks: VecDeque::new() })
    }
}

/// The end of an edge: a slot, and the index among the dependents of its process.
type Place = Option<(usize, usize)>;

/// The edges to a name that no process has.
#[derive(Debug)]
struct Missing {
    name: Name,
    edges: Vec<EdgeId>,
}

impl Json for Missing {
    fn write(&self, out: &mut Text) {
        let Self { name, edges } = self;
        out.object().with("name", name).with("edges", edges).end();
    }

    fn read(value: Value<'_>, begin: Instant) -> Result<Self, Problem> {
        let mut fields = Fields::new(value, begin)?;
        let missing = Self { name: fields.take("name")?, edges: fields.take("edges")? };
        fields.end().map(|()| missing)
    }
}

/// A restart group with its name.
#[derive(Debug)]
struct NamedGroup {
    name: Name,
    group: Group,
}

impl Json for NamedGroup {
    fn write(&self, out: &mut Text) {
        let Self { name, group: Group { strategy, members, restart } } = self;
        let restart = restart.as_ref().map(|GroupRestart { cause, awaited }| vec![*cause, *awaited]);
        out.object()
            .with("name", name)
            .with("strategy", strategy)
            .with("members", members)
            .with("restart", &restart)
            .end();
    }

    fn read(value: Value<'_>, begin: Instant) -> Result<Self, Problem> {
        let mut fields = Fields::new(value, begin)?;
        let (name, strategy, members) =
            (fields.take("name")?, fields.take("strategy")?, fields.take("members")?);
        let restart = match fields.take::<Option<Vec<usize>>>("restart")?.as_deref() {
            None => None,
            Some(&[cause, awaited]) => Some(GroupRestart { cause, awaited }),
            Some(_) => return Err(Problem::of("restart", "is not a list of two")),
        };
        fields.end().map(|()| Self { name, group: Group { strategy, members, restart } })
    }
}

impl Json for EdgeId {
    fn write(&self, out: &mut Text) {
        let Self { slot, index } = self;
        out.list(&[*slot, *index]);
    }

    fn read(value: Value<'_>, begin: Instant) -> Result<Self, Problem> {
        match *Vec::<usize>::read(value, begin)? {
            [slot, index] => Ok(Self { slot, index }),
            _ => Err(Problem::new("is not the slot and the index of a dependency")),
        }
    }
}

impl Json for Links {
    fn write(&self, out: &mut Text) {
        let Self { name, edges, dependents, level, drain, draining_dependents, group, unmet: _, facts: _ } =
            self;
        let Level { up, ready, completed } = level;
        out.object()
            .with("name", name)
            .with("edges", edges)
            .with("dependents", dependents)
            .with("up", up)
            .with("ready", ready)
            .with("completed", completed)
            .with("drain", drain)
            .with("draining_dependents", draining_dependents)
            .optional("group", group.as_deref())
            .end();
    }

    fn read(value: Value<'_>, begin: Instant) -> Result<Self, Problem> {
        let mut fields = Fields::new(value, begin)?;
        let edges: Vec<Edge> = fields.take("edges")?;
        let group: Option<Membership> = fields.take("group")?;
        let links = Self {
            name: fields.take("name")?,
            unmet: edges.iter().filter(|edge| !edge.is_met).count(),
            edges,
            dependents: fields.take("dependents")?,
            facts: Facts::default(),
            level: Level {
                up: fields.take("up")?,
                ready: fields.take("ready")?,
                completed: fields.take("completed")?,
            },
            drain: fields.take("drain")?,
            draining_dependents: fields.take("draining_dependents")?,
            group: group.map(Box::new),
        };
        fields.end().map(|()| links)
    }
}

/// Without its end, which is among the dependents of another process or among the missing names.
impl Json for Edge {
    fn write(&self, out: &mut Text) {
        let Self { dependency, is_met, restarts, target: _, position: _ } = self;
        out.object().with("dependency", dependency).with("is_met", is_met).with("restarts", restarts).end();
    }

    fn read(value: Value<'_>, begin: Instant) -> Result<Self, Problem> {
        let mut fields = Fields::new(value, begin)?;
        let dependency: Dependency = fields.take("dependency")?;
        let (is_met, restarts) = (fields.take("is_met")?, fields.take("restarts")?);
        fields.end().map(|()| Self { dependency, target: None, position: 0, is_met, restarts })
    }
}

impl Json for Drain {
    fn write(&self, out: &mut Text) {
        match self {
            Self::Pending(Quit::Cancel) => out.quoted("cancel"),
            Self::Pending(Quit::Restart) => out.quoted("restart"),
            Self::Pending(Quit::Because(reason)) => out.object().with("because", reason).end(),
            Self::Asked => out.quoted("asked"),
        }
    }

    fn read(value: Value<'_>, begin: Instant) -> Result<Self, Problem> {
        match value.as_text() {
            Some("cancel") => return Ok(Self::Pending(Quit::Cancel)),
            Some("restart") => return Ok(Self::Pending(Quit::Restart)),
            Some("asked") => return Ok(Self::Asked),
            _ => {}
        }
        let mut fields = Fields::new(value, begin)?;
        let reason: StopReason = fields.take("because")?;
        fields.end().map(|()| Self::Pending(Quit::Because(reason)))
    }
}

impl Json for Membership {
    fn write(&self, out: &mut Text) {
        let Self { group, is_parked, is_awaited } = self;
        out.object().with("group", group).with("is_parked", is_parked).with("is_awaited", is_awaited).end();
    }

    fn read(value: Value<'_>, begin: Instant) -> Result<Self, Problem> {
        let mut fields = Fields::new(value, begin)?;
        let membership = Self {
            group: fields.take("group")?,
            is_parked: fields.take("is_parked")?,
            is_awaited: fields.take("is_awaited")?,
        };
        fields.end().map(|()| membership)
    }
}

/// The tables after they were read.
impl<S: Clone> Machine<S> {
    /// Connects the edges and computes what follows from the processes.
    pub(super) fn restore_relations(&mut self) -> Result<(), Problem> {
        let wrong = |what: &str| Err(Problem::of("relations", what));
        let Self { children, relations, .. } = self;
        for (slot, links) in relations.links.iter_mut().enumerate() {
            let Some(links) = links else { continue };
            match children.get(slot).and_then(Option::as_ref) {
                Some(child) if child.name == links.name => links.facts = child.facts(),
                _ => return wrong("has a process that does not exist"),
            }
        }
        // The edge, its end and the name of the process there.
        let mut ends: Vec<(EdgeId, Place, Name)> = Vec::new();
        for (slot, links) in relations.links.iter().enumerate() {
            let Some(links) = links else { continue };
            let edges = links.dependents.iter().enumerate();
            ends.extend(edges.map(|(position, id)| (*id, Some((slot, position)), links.name.clone())));
        }
        for (name, edges) in &relations.missing {
            ends.extend(edges.iter().map(|id| (*id, None, name.clone())));
        }
        let count: usize = relations.links.iter().flatten().map(|links| links.edges.len()).sum();
        let mut places: Vec<(usize, usize)> = ends.iter().map(|(id, ..)| (id.slot, id.index)).collect();
        places.sort_unstable();
        places.dedup();
        if (places.len(), ends.len()) != (count, count) {
            return wrong("has a dependency that leads nowhere");
        }
        for (id, end, name) in ends {
            let links = relations.links.get_mut(id.slot).and_then(Option::as_mut);
            match links.and_then(|links| links.edges.get_mut(id.index)) {
                Some(edge) if edge.dependency.on == name => {
                    (edge.target, edge.position) = (end.map(|end| end.0), end.map_or(0, |end| end.1));
                }
                _ => return wrong("has a dependency on another process"),
            }
        }
        self.check_groups()
    }

    /// Checks that groups and members know each other.
    fn check_groups(&self) -> Result<(), Problem> {
        let wrong = |what: &str| Err(Problem::of("groups", what));
        let relations = &self.relations;
        let mut members = 0;
        for (name, group) in &relations.groups {
            let mut awaited = 0;
            for (i, slot) in group.members.iter().enumerate() {
                let member = relations.get(*slot).and_then(|links| links.group.as_deref());
                let Some(member) = member.filter(|member| member.group.name == *name) else {
                    return wrong("has a member that is in no group, or in another one");
                };
                if group.members[..i].contains(slot) {
                    return wrong("has a member twice");
                }
                awaited += usize::from(member.is_awaited);
            }
            if let Some(GroupRestart { cause, awaited: count }) = group.restart
                && (!group.members.contains(&cause) || count != awaited)
            {
                return wrong("has a restart of another group");
            }
            members += group.members.len();
        }
        let known = relations.links.iter().flatten().filter(|links| links.group.is_some()).count();
        if known == members { Ok(()) } else { wrong("lacks a member") }
    }
}
