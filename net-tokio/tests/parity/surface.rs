//! How a row of the list becomes code that compiles only where the row is true.

/// One section of the list: the module to make, its heading, the type that methods belong to, rows.
macro_rules! section {
    ($module:ident $heading:literal $type:ident $({ $($row:tt)* })*) => {
        mod $module {
            use super::*;

            pub(crate) const ROWS: (&str, &[&str]) = ($heading, &[$(stringify!($($row)*)),*]);

            $(row!($type; $($row)*);)*
        }
    };
}

/// One row. A method becomes a function of the same signature that calls it.
macro_rules! row {
    // Closures are Send here, to see that the future is Send too.
    ($type:ident; pub async fn async_io<R>(&self, interest: Interest, mut f: $closure:ty) -> $ret:ty) => {
        #[expect(dead_code, reason = "that it compiles is the test")]
        fn async_io<R: Send, F: FnMut() -> io::Result<R> + Send>(
            this: &$type,
            interest: Interest,
            f: F,
        ) -> impl Future<Output = $ret> + Send {
            this.async_io(interest, f)
        }
    };
    (ToSocketAddrs; pub async fn lookup_host<T>(host: T) -> $ret:ty where T: ToSocketAddrs) => {
        #[expect(dead_code, reason = "that it compiles is the test")]
        fn look_up<T: ToSocketAddrs + Send>(host: T) -> impl Future<Output = $ret> + Send {
            lookup_host(host)
        }
    };
    ($type:ident; pub async fn $name:ident $(<$g:ident: $bound:path>)? (
        &self $(, $arg:ident: $ty:ty)*
    ) -> $ret:ty) => {
        #[expect(dead_code, reason = "that it compiles is the test")]
        fn $name<$($g: $bound + Send)?>(
            this: &$type $(, $arg: $ty)*
        ) -> impl Future<Output = $ret> + Send {
            <$type>::$name(this $(, $arg)*)
        }
    };
    ($type:ident; pub async fn $name:ident(&mut self $(, $arg:ident: $ty:ty)*) -> $ret:ty) => {
        #[expect(dead_code, reason = "that it compiles is the test")]
        fn $name(this: &mut $type $(, $arg: $ty)*) -> impl Future<Output = $ret> + Send {
            <$type>::$name(this $(, $arg)*)
        }
    };
    ($type:ident; pub async fn $name:ident(self $(, $arg:ident: $ty:ty)*) -> $ret:ty) => {
        #[expect(dead_code, reason = "that it compiles is the test")]
        fn $name(this: $type $(, $arg: $ty)*) -> impl Future<Output = $ret> + Send {
            <$type>::$name(this $(, $arg)*)
        }
    };
    ($type:ident; pub async fn $name:ident<$g:ident: $bound:path>($arg:ident: $ty:ty) -> $ret:ty) => {
        #[expect(dead_code, reason = "that it compiles is the test")]
        fn $name<$g: $bound + Send>($arg: $ty) -> impl Future<Output = $ret> + Send {
            <$type>::$name($arg)
        }
    };
    ($type:ident; pub fn forget(mut self)) => {
        #[expect(dead_code, reason = "that it compiles is the test")]
        const FORGET: fn($type) = <$type>::forget;
    };
    ($type:ident; pub fn $name:ident<$a:lifetime>(&$b:lifetime mut self) -> $ret:ty) => {
        #[expect(dead_code, reason = "that it compiles is the test")]
        fn $name<$a>(this: &$b mut $type) -> $ret {
            <$type>::$name(this)
        }
    };
    ($type:ident; pub fn $name:ident $(<$g:ident $(: $bound:path)?>)? (
        &self $(, $arg:ident: $ty:ty)*
    ) -> $ret:ty) => {
        #[expect(dead_code, reason = "that it compiles is the test")]
        fn $name $(<$g $(: $bound)?>)? (this: &$type $(, $arg: $ty)*) -> $ret {
            <$type>::$name(this $(, $arg)*)
        }
    };
    ($type:ident; pub fn $name:ident(&mut self $(, $arg:ident: $ty:ty)*) -> $ret:ty) => {
        #[expect(dead_code, reason = "that it compiles is the test")]
        fn $name(this: &mut $type $(, $arg: $ty)*) -> $ret {
            <$type>::$name(this $(, $arg)*)
        }
    };
    ($type:ident; pub fn $name:ident(self $(, $arg:ident: $ty:ty)*) -> $ret:ty) => {
        #[expect(dead_code, reason = "that it compiles is the test")]
        fn $name(this: $type $(, $arg: $ty)*) -> $ret {
            <$type>::$name(this $(, $arg)*)
        }
    };
    ($type:ident; pub fn $name:ident($($arg:ident: $ty:ty),*) -> $ret:ty) => {
        #[expect(dead_code, reason = "that it compiles is the test")]
        fn $name($($arg: $ty),*) -> $ret {
            <$type>::$name($($arg),*)
        }
    };
    ($type:ident; pub struct $name:ident(pub $read:ident, pub $write:ident);) => {
        const _: fn($read, $write) -> $name = $name;
    };
    ($type:ident; auto: $($auto:ident),*) => {
        const _: fn() = || {
            $({
                fn is<T: $auto>() {}
                is::<$type>();
            })*
        };
    };
    ($type:ident; impl Drop for $ty:ty) => {
        const _: () = assert!(std::mem::needs_drop::<$ty>());
    };
    ($type:ident; impl AsRef<Self> for $ty:ty) => {
        row!($type; impl AsRef<$ty> for $ty);
    };
    ($type:ident; impl<$t:ident: $bound:ident + ?Sized> $trait:ident for $ty:ty) => {
        const _: fn() = || {
            fn is<T: $trait + ?Sized>() {}
            #[expect(dead_code, reason = "that it compiles is the test")]
            fn all<$t: $bound + ?Sized>() {
                is::<$ty>();
            }
        };
    };
    ($type:ident; impl $($trait:ident)::+ $(<$param:ty>)? for $ty:ty) => {
        const _: fn() = || {
            fn is<T: $($trait)::+ $(<$param>)? + ?Sized>() {}
            is::<$ty>();
        };
    };
}
