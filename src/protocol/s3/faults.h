// Planted defects of the S3 service, for tests of the tests: each must be found by tests/sim.
#pragma once

namespace keelson::s3 {

struct S3Faults {
  // A conditional write is checked when it comes, and no more when it is applied.
  bool checks_condition_early_only = false;
  // CompleteMultipartUpload ends the upload first and puts the object then.
  bool completes_in_two_steps = false;
  // Lifecycle rules remove versions that are under governance.
  bool lifecycle_ignores_locks = false;
  // Lifecycle rules count a day too many.
  bool lifecycle_is_a_day_early = false;
};

}  // namespace keelson::s3
