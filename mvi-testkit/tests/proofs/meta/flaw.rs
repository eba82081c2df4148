//! The promises that are broken, each in one way.

macro_rules! flaws {
    ($($(#[$doc:meta])* $flaw:ident,)+) => {
        /// A promise that is broken, and how.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum Flaw { $($(#[$doc])* $flaw),+ }

        impl Flaw {
            pub(crate) const ALL: &[Self] = &[$(Self::$flaw),+];
        }
    };
}
flaws! {
    CreateTakesOtherSettings,
    CreateRefusesARepeat,
    DeletedTablesKeepTheirRecords,
    DeleteOfNoTableFails,
    ListIgnoresLabels,
    NoTableReadsAsEmpty,
    PutMerges,
    NullsAreDropped,
    IntegersAreFloats,
    TheSameItemIsNoWrite,
    StrongGetIsEventual,
    DeleteOfNothingFails,
    DeleteTakesThePartition,
    ErrorsAreNameless,
    LongBytesAreCut,
    /// A key over the limit is answered as if it had been written.
    WhatIsTooLongIsIgnored,
    PutForgetsItsCondition,
    UpdateForgetsItsCondition,
    DeleteForgetsItsCondition,
    VersionMeansPresent,
    NeWantsSomething,
    NumbersCompareAsText,
    NowIsLongAgo,
    OverflowSaturates,
    AppendSkipsRepeats,
    UpdateGivesWhatWas,
    ChangesAreMadeOneByOne,
    PutLooksThenWrites,
    UpdateReadsThenWrites,
    TransactReadsThenWrites,
    NothingExpires,
    ConditionsSeeTheExpired,
    UpdateRevivesTheExpired,
    UpdateForgetsTheExpiry,
    GetManyAnswersInItsOwnOrder,
    GetManyStopsAtAHundred,
    WriteManySwallowsErrors,
    WriteManyTakesARecordTwice,
    TransactSkipsChecks,
    TransactTakesStepsOneByOne,
    TransactTakesMoreThanAHundred,
    PagesLoseARecord,
    PagesRepeatARecord,
    IntegersAreSortedAsText,
    TextIsSortedAsInADictionary,
    DescendingIsIgnored,
    ExcludedBoundsAreIncluded,
    PrefixIsAnyPart,
    LimitIsIgnored,
    LimitComesBeforeTheFilter,
    FilterIsIgnored,
    CursorIsIncluded,
    CursorNeedsItsRecord,
    PartitionIsAPrefix,
    StrongQueryIsEventual,
    StreamsAreEager,
    IndexIsNotSparse,
    IndexIsNotSorted,
    IndexIsNotUpdated,
    StrongIndexIsEventual,
    ScanStopsAfterAPage,
    SegmentsOverlap,
    LastSegmentIsEmpty,
}
