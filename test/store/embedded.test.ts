import { jobsContract } from '../contract/store-jobs.ts'
import { logContract } from '../contract/store-log.ts'
import { metaContract } from '../contract/store-meta.ts'
import { objectsContract } from '../contract/store-objects.ts'
import { withStore } from './fixture.ts'

objectsContract('files', withStore)
metaContract('SQLite', withStore)
jobsContract('SQLite', withStore)
logContract('segments', withStore)
