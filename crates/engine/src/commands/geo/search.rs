//! GEOSEARCH, GEORADIUS, GEORADIUSBYMEMBER and their kin: members within an area.
//!
//! All six are one search, whose [`Form`] says which words are arguments and whether the result is answered or stored.
//! The source is looked up before the options are read, since a member may be the centre; what is wrong with options
//! is told in the order in which they stand. Members come cell by cell unless they are to be sorted by distance.

use slipstream_keyspace::{Item, ScoreBound, SortedSet};
use slipstream_resp::{Args, Reply};

use super::store::{Found, store};
use super::{float, place, place_of_member, unit, write_distance, write_place};
use crate::call::{Call, integer, is_word};
use crate::commands::elements;
use crate::commands::sorted_sets::read;
use crate::errors::CommandError;
use crate::event;
use crate::geo::area::{Area, Shape};
use crate::geo::{Place, hash, nearest};

pub(super) fn geosearch(call: &mut Call<'_>) -> Result<(), CommandError> {
    search(call, Form::Search)
}

pub(super) fn geosearchstore(call: &mut Call<'_>) -> Result<(), CommandError> {
    search(call, Form::SearchStore)
}

pub(super) fn georadius(call: &mut Call<'_>) -> Result<(), CommandError> {
    search(call, Form::Radius { by_member: false, may_store: true })
}

pub(super) fn georadius_ro(call: &mut Call<'_>) -> Result<(), CommandError> {
    search(call, Form::Radius { by_member: false, may_store: false })
}

pub(super) fn georadiusbymember(call: &mut Call<'_>) -> Result<(), CommandError> {
    search(call, Form::Radius { by_member: true, may_store: true })
}

pub(super) fn georadiusbymember_ro(call: &mut Call<'_>) -> Result<(), CommandError> {
    search(call, Form::Radius { by_member: true, may_store: false })
}

/// What a command's name fixes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Search,
    SearchStore,
    /// The centre and the radius stand in front of the options.
    Radius {
        by_member: bool,
        may_store: bool,
    },
}

impl Form {
    fn is_search(self) -> bool {
        matches!(self, Form::Search | Form::SearchStore)
    }

    fn source(self) -> usize {
        if self == Form::SearchStore { 2 } else { 1 }
    }

    /// Where the options begin.
    fn options(self) -> usize {
        match self {
            Form::Search => 2,
            Form::SearchStore => 3,
            Form::Radius { by_member: true, .. } => 5,
            Form::Radius { by_member: false, .. } => 6,
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    AsFound,
    Ascending,
    Descending,
}

/// What is answered about each member.
#[derive(Clone, Copy, Default)]
struct Shown {
    distance: bool,
    hash: bool,
    place: bool,
}

/// All that the arguments say.
struct Query<'a> {
    centre: Option<Place>,
    /// Whether a member was named as the centre; it is unknown as long as there is no source.
    from_member: bool,
    shape: Option<Shape>,
    unit: f64,
    shown: Shown,
    order: Order,
    /// 0: all.
    count: usize,
    any: bool,
    store: Option<&'a [u8]>,
    store_distance: bool,
}

/// A search that was asked for, with the source if there is one.
struct Parser<'a, 's> {
    args: Args<'a>,
    form: Form,
    source: Option<&'s SortedSet<'s>>,
    query: Query<'a>,
}

fn search(call: &mut Call<'_>, form: Form) -> Result<(), CommandError> {
    let args = call.args;
    let source = read(&mut call.db, call.core, &args[form.source()])?;
    let query = Parser::parse(args, form, source.as_ref())?;
    let area = query.centre.zip(query.shape).map(|(centre, shape)| Area { centre, shape, unit: query.unit });
    let mut found = match (&source, &area) {
        (Some(set), Some(area)) => find(set, area, if query.any { query.count } else { 0 }),
        _ => Vec::new(),
    };
    let count = if query.count == 0 { found.len() } else { query.count.min(found.len()) };
    sort(&mut found, count, query.order);
    found.truncate(count);
    let Some(key) = query.store else {
        answer(call.reply, &found, &query);
        return Ok(());
    };
    let score = |hit: &Hit<'_>| if query.store_distance { hit.distance / query.unit } else { hit.score };
    let found = found.iter().map(|hit| Found { member: hit.member.to_vec(), score: score(hit) }).collect();
    let event = if form.is_search() { event::GEOSEARCHSTORE } else { event::GEORADIUSSTORE };
    store(call, key, found, event);
    Ok(())
}

impl<'a, 's> Parser<'a, 's> {
    fn parse(
        args: Args<'a>,
        form: Form,
        source: Option<&'s SortedSet<'s>>,
    ) -> Result<Query<'a>, CommandError> {
        let query = Query {
            centre: None,
            from_member: false,
            shape: None,
            unit: 1.0,
            shown: Shown::default(),
            order: Order::AsFound,
            count: 0,
            any: false,
            store: if form == Form::SearchStore { args.get(1) } else { None },
            store_distance: false,
        };
        let mut parser = Parser { args, form, source, query };
        parser.fixed_arguments()?;
        let mut at = form.options();
        while at < args.len() {
            at += 1 + parser.option(at)?;
        }
        parser.check()?;
        Ok(parser.query)
    }

    /// Centre and radius of the forms that have them in front.
    fn fixed_arguments(&mut self) -> Result<(), CommandError> {
        let Form::Radius { by_member, .. } = self.form else { return Ok(()) };
        if !by_member {
            self.query.centre = Some(place(self.args, 2)?);
        } else if let Some(centre) = self.member(2)? {
            self.query.centre = Some(centre);
        } else {
            // Without a source the radius may be anything.
            return Ok(());
        }
        self.circle(self.form.options() - 2)
    }

    /// The place of the member that an argument names, if there is a source.
    fn member(&self, at: usize) -> Result<Option<Place>, CommandError> {
        let Some(set) = self.source else { return Ok(None) };
        place_of_member(set, &self.args[at]).map(Some).ok_or(CommandError::GEO_MEMBER)
    }

    fn circle(&mut self, at: usize) -> Result<(), CommandError> {
        let radius = float(&self.args[at], CommandError::GEO_RADIUS)?;
        if radius < 0.0 {
            return Err(CommandError::GEO_RADIUS_NEGATIVE);
        }
        self.query.unit = unit(&self.args[at + 1])?;
        self.query.shape = Some(Shape::Circle { radius });
        Ok(())
    }

    fn rectangle(&mut self, at: usize) -> Result<(), CommandError> {
        let width = float(&self.args[at], CommandError::GEO_WIDTH)?;
        let height = float(&self.args[at + 1], CommandError::GEO_HEIGHT)?;
        if width < 0.0 || height < 0.0 {
            return Err(CommandError::GEO_BOX_NEGATIVE);
        }
        self.query.unit = unit(&self.args[at + 2])?;
        self.query.shape = Some(Shape::Box { width, height });
        Ok(())
    }

    /// Reads the option at an argument; how many arguments belong to it.
    fn option(&mut self, at: usize) -> Result<usize, CommandError> {
        let word = &self.args[at];
        let left = self.args.len() - at - 1;
        let query = &mut self.query;
        let is = |name| is_word(word, name);
        if is("WITHDIST") {
            query.shown.distance = true;
        } else if is("WITHHASH") {
            query.shown.hash = true;
        } else if is("WITHCOORD") {
            query.shown.place = true;
        } else if is("ANY") {
            query.any = true;
        } else if is("ASC") {
            query.order = Order::Ascending;
        } else if is("DESC") {
            query.order = Order::Descending;
        } else if is("COUNT") && left >= 1 {
            let count = integer(&self.args[at + 1])?;
            query.count = usize::try_from(count).ok().filter(|n| *n > 0).ok_or(CommandError::GEO_COUNT)?;
            return Ok(1);
        } else if self.form.is_search() {
            return self.option_of_search(at, left);
        } else {
            return self.option_of_radius(at, left);
        }
        Ok(0)
    }

    fn option_of_radius(&mut self, at: usize, left: usize) -> Result<usize, CommandError> {
        let word = &self.args[at];
        let by_distance = is_word(word, "STOREDIST");
        let may_store = matches!(self.form, Form::Radius { may_store: true, .. });
        if !may_store || left < 1 || !(by_distance || is_word(word, "STORE")) {
            return Err(CommandError::SYNTAX);
        }
        self.query.store = self.args.get(at + 1);
        self.query.store_distance = by_distance;
        Ok(1)
    }

    fn option_of_search(&mut self, at: usize, left: usize) -> Result<usize, CommandError> {
        let word = &self.args[at];
        let is = |name| is_word(word, name);
        let from_place = self.query.centre.is_some() && !self.query.from_member;
        let is_circle = matches!(self.query.shape, Some(Shape::Circle { .. }));
        let is_box = matches!(self.query.shape, Some(Shape::Box { .. }));
        if is("STOREDIST") && self.form == Form::SearchStore {
            self.query.store_distance = true;
            Ok(0)
        } else if is("FROMMEMBER") && left >= 1 && !from_place {
            self.query.centre = self.member(at + 1)?;
            self.query.from_member = true;
            Ok(1)
        } else if is("FROMLONLAT") && left >= 2 && !self.query.from_member {
            self.query.centre = Some(place(self.args, at + 1)?);
            Ok(2)
        } else if is("BYRADIUS") && left >= 2 && !is_box {
            self.circle(at + 1).map(|()| 2)
        } else if is("BYBOX") && left >= 3 && !is_circle {
            self.rectangle(at + 1).map(|()| 3)
        } else {
            Err(CommandError::SYNTAX)
        }
    }

    /// What does not go together.
    fn check(&mut self) -> Result<(), CommandError> {
        let query = &mut self.query;
        let Shown { distance, hash, place } = query.shown;
        if query.store.is_some() && (distance || hash || place) {
            let command = if self.form.is_search() { "GEOSEARCHSTORE" } else { "STORE option in GEORADIUS" };
            return Err(CommandError::stores_only(command));
        }
        if self.form.is_search() && query.centre.is_none() && !query.from_member {
            return Err(CommandError::exactly_one_of("FROMMEMBER or FROMLONLAT", &self.args[0]));
        }
        if self.form.is_search() && query.shape.is_none() {
            return Err(CommandError::exactly_one_of("BYRADIUS and BYBOX", &self.args[0]));
        }
        if query.any && query.count == 0 {
            return Err(CommandError::GEO_ANY);
        }
        if query.count > 0 && query.order == Order::AsFound && !query.any {
            // A few of many are the nearest.
            query.order = Order::Ascending;
        }
        Ok(())
    }
}

/// A member in the area.
struct Hit<'a> {
    member: Item<'a>,
    score: f64,
    place: Place,
    /// From the centre, in metres.
    distance: f64,
}

/// The members in an area, as they lie in its cells; at most `limit` of them unless that is 0.
fn find<'a>(set: &'a SortedSet<'_>, area: &Area, limit: usize) -> Vec<Hit<'a>> {
    let mut found = Vec::new();
    let mut last = None;
    for (index, cell) in area.cells().enumerate() {
        // Of huge cells those around can be the same one.
        if last == Some(cell) {
            continue;
        }
        last = (index > 0).then_some(cell);
        let (first, end) = cell.scores();
        let rank = set.rank_of_first_score(ScoreBound::Inclusive(first));
        for (member, score) in set.iter_from_rank(rank).take_while(|(_, score)| *score < end) {
            let place = hash::place_of(score);
            if let Some(distance) = area.distance_within(place) {
                found.push(Hit { member, score, place, distance });
                if found.len() == limit {
                    return found;
                }
            }
        }
    }
    found
}

/// Sorts so that the first `count` are those to be answered.
fn sort(found: &mut [Hit<'_>], count: usize, order: Order) {
    let by_distance = |a: &Hit<'_>, b: &Hit<'_>| match order {
        Order::Descending => b.distance.total_cmp(&a.distance),
        Order::AsFound | Order::Ascending => a.distance.total_cmp(&b.distance),
    };
    if order == Order::AsFound {
        return;
    }
    if count == found.len() {
        found.sort_by(by_distance);
    } else {
        nearest::select(found, count, &by_distance);
    }
}

fn answer(reply: &mut Reply, found: &[Hit<'_>], query: &Query<'_>) {
    let Shown { distance, hash, place } = query.shown;
    let details = usize::from(distance) + usize::from(hash) + usize::from(place);
    reply.array(found.len());
    for hit in found {
        if details > 0 {
            reply.array(details + 1);
        }
        elements::write(reply, hit.member);
        if distance {
            write_distance(reply, hit.distance / query.unit);
        }
        if hash {
            #[expect(clippy::cast_possible_truncation, reason = "within a cell: at most 54 bits")]
            reply.integer(hit.score as i64);
        }
        if place {
            write_place(reply, hit.place);
        }
    }
}
