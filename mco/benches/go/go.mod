module mco-benches

go 1.19
