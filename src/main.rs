use tenure::memory::CountingAllocator;

/// Counts what the process allocates, so that a run can keep within its memory limit.
#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn main() -> std::process::ExitCode {
    tenure::cli::main()
}
