//! Writes out the operations that a wrapper hands on as they are.

/// The named methods of [`Store`](crate::store::Store), each handed on to the store that the first words name, of
/// `self`: `forward! { inner: capabilities delete }`.
macro_rules! forward {
    ($to:tt: $($operation:ident)*) => { $($crate::store::wrap::forward::forward! { @$operation $to })* };
    (@capabilities $to:tt) => {
        fn capabilities(&self) -> $crate::store::Capabilities {
            self.$to.capabilities()
        }
    };
    (@get $to:tt) => {
        fn get<'a>(
            &'a self,
            key: &'a $crate::store::Key,
            consistency: $crate::store::Consistency,
        ) -> $crate::future::BoxFuture<'a, Result<Option<$crate::store::Entry>, $crate::store::StoreError>> {
            self.$to.get(key, consistency)
        }
    };
    (@put $to:tt) => {
        fn put<'a>(
            &'a self,
            key: &'a $crate::store::Key,
            value: bytes::Bytes,
            ttl: Option<std::time::Duration>,
        ) -> $crate::future::BoxFuture<'a, Result<(), $crate::store::StoreError>> {
            self.$to.put(key, value, ttl)
        }
    };
    (@delete $to:tt) => {
        fn delete<'a>(
            &'a self,
            key: &'a $crate::store::Key,
        ) -> $crate::future::BoxFuture<'a, Result<(), $crate::store::StoreError>> {
            self.$to.delete(key)
        }
    };
    (@take $to:tt) => {
        fn take<'a>(
            &'a self,
            key: &'a $crate::store::Key,
        ) -> $crate::future::BoxFuture<'a, Result<Option<$crate::store::Entry>, $crate::store::StoreError>> {
            self.$to.take(key)
        }
    };
    (@put_if $to:tt) => {
        fn put_if<'a>(
            &'a self,
            key: &'a $crate::store::Key,
            value: bytes::Bytes,
            ttl: Option<std::time::Duration>,
            condition: $crate::store::Condition,
        ) -> $crate::future::BoxFuture<'a, Result<bool, $crate::store::StoreError>> {
            self.$to.put_if(key, value, ttl, condition)
        }
    };
    (@increment $to:tt) => {
        fn increment<'a>(
            &'a self,
            key: &'a $crate::store::Key,
            by: i64,
            ttl: Option<std::time::Duration>,
        ) -> $crate::future::BoxFuture<'a, Result<i64, $crate::store::StoreError>> {
            self.$to.increment(key, by, ttl)
        }
    };
    (@list $to:tt) => {
        fn list<'a>(
            &'a self,
            partition: &'a $crate::store::Partition,
            after: Option<&'a str>,
            limit: usize,
        ) -> $crate::future::BoxFuture<'a, Result<$crate::store::Page, $crate::store::StoreError>> {
            self.$to.list(partition, after, limit)
        }
    };
    (@get_many $to:tt) => {
        fn get_many<'a>(
            &'a self,
            keys: &'a [$crate::store::Key],
            consistency: $crate::store::Consistency,
        ) -> $crate::future::BoxFuture<'a, Result<Vec<Option<$crate::store::Entry>>, $crate::store::StoreError>>
        {
            self.$to.get_many(keys, consistency)
        }
    };
    (@put_many $to:tt) => {
        fn put_many<'a>(
            &'a self,
            puts: &'a [$crate::store::Put],
        ) -> $crate::future::BoxFuture<'a, Result<(), $crate::store::StoreError>> {
            self.$to.put_many(puts)
        }
    };
    (@transact $to:tt) => {
        fn transact<'a>(
            &'a self,
            partition: &'a $crate::store::Partition,
            writes: &'a [$crate::store::Write],
        ) -> $crate::future::BoxFuture<'a, Result<bool, $crate::store::StoreError>> {
            self.$to.transact(partition, writes)
        }
    };
    (@watch $to:tt) => {
        fn watch<'a>(
            &'a self,
            partition: &'a $crate::store::Partition,
        ) -> $crate::future::BoxFuture<
            'a,
            Result<$crate::future::BoxStream<'static, String>, $crate::store::StoreError>,
        > {
            self.$to.watch(partition)
        }
    };
}
pub(super) use forward;
