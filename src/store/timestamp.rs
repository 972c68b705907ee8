//! A time that both databases keep exactly: a `timestamptz` in PostgreSQL, an integer of
//! microseconds since 1970 in SQLite, which has no such type.

use chrono::{DateTime, Utc};
use diesel::{
    deserialize::{self, FromSql, FromSqlRow},
    expression::AsExpression,
    pg::{Pg, PgValue},
    serialize::{self, IsNull, Output, ToSql},
    sql_types::{BigInt, Timestamptz},
    sqlite::Sqlite,
};

/// The SQL type of every time column. Diesel goes by the end of the name: one that ends in a
/// standard type would get the operators of that type.
#[derive(Debug, Clone, Copy, diesel::sql_types::SqlType, diesel::query_builder::QueryId)]
#[diesel(postgres_type(oid = 1184, array_oid = 1185))]
#[diesel(sqlite_type(name = "Long"))]
pub struct UtcMicros;

/// The Rust side of [`UtcMicros`]. The clock already truncates times to microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, AsExpression, FromSqlRow)]
#[diesel(sql_type = UtcMicros)]
pub struct Moment(pub DateTime<Utc>);

impl ToSql<UtcMicros, Pg> for Moment {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
        ToSql::<Timestamptz, Pg>::to_sql(&self.0, &mut out.reborrow())
    }
}

impl FromSql<UtcMicros, Pg> for Moment {
    fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
        FromSql::<Timestamptz, Pg>::from_sql(value).map(Moment)
    }
}

impl ToSql<UtcMicros, Sqlite> for Moment {
    fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Sqlite>) -> serialize::Result {
        out.set_value(self.0.timestamp_micros());
        Ok(IsNull::No)
    }
}

impl FromSql<UtcMicros, Sqlite> for Moment {
    fn from_sql(
        value: <Sqlite as diesel::backend::Backend>::RawValue<'_>,
    ) -> deserialize::Result<Self> {
        let micros = <i64 as FromSql<BigInt, Sqlite>>::from_sql(value)?;
        let moment = DateTime::from_timestamp_micros(micros)
            .ok_or_else(|| format!("{micros} µs is out of chrono's range"))?;
        Ok(Moment(moment))
    }
}
