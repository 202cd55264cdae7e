/** Addresses and their screens. Each screen is its own file of the bundle, loaded when it is first opened. */
import { createRootRoute, createRoute, createRouter, lazyRouteComponent } from '@tanstack/react-router'
import { Empty, ErrorCard, Page, SkeletonPage } from './parts/page.tsx'
import { Fleet } from './screens/fleet.tsx'
import { Shell } from './shell/shell.tsx'

const root = createRootRoute({
  component: Shell,
  notFoundComponent: () => (
    <Page title="No such screen">
      <Empty title="Nothing lives at this address">
        Press / to search for a model, a dataset or an alert.
      </Empty>
    </Page>
  ),
})

const at = <P extends string>(path: P) => ({ getParentRoute: () => root, path })

const routes = [
  createRoute({ ...at('/'), component: Fleet }),
  createRoute({
    ...at('/models/$model'),
    component: lazyRouteComponent(() => import('./screens/model/model.tsx'), 'Model'),
  }),
  createRoute({
    ...at('/models/$model/diff'),
    component: lazyRouteComponent(() => import('./screens/model-diff/model-diff.tsx'), 'ModelDiffScreen'),
  }),
  createRoute({
    ...at('/models/$model/$tab'),
    component: lazyRouteComponent(() => import('./screens/model/model.tsx'), 'Model'),
  }),
  createRoute({
    ...at('/predictions/$id'),
    component: lazyRouteComponent(() => import('./screens/why.tsx'), 'WhyScreen'),
  }),
  createRoute({
    ...at('/data'),
    component: lazyRouteComponent(() => import('./screens/datasets.tsx'), 'Datasets'),
  }),
  createRoute({
    ...at('/data/$dataset'),
    component: lazyRouteComponent(() => import('./screens/dataset.tsx'), 'Dataset'),
  }),
  createRoute({
    ...at('/data/$dataset/versions/$digest'),
    component: lazyRouteComponent(() => import('./screens/dataset-version.tsx'), 'DatasetVersion'),
  }),
  createRoute({
    ...at('/data/$name/triage'),
    component: lazyRouteComponent(() => import('./screens/triage.tsx'), 'Triage'),
  }),
  createRoute({
    ...at('/data/$dataset/diff'),
    component: lazyRouteComponent(() => import('./screens/dataset-diff.tsx'), 'Diff'),
  }),
  createRoute({
    ...at('/data/$dataset/merges/$into/$branch'),
    component: lazyRouteComponent(() => import('./screens/merge.tsx'), 'Merge'),
  }),
  createRoute({
    ...at('/files/$set'),
    component: lazyRouteComponent(() => import('./screens/files.tsx'), 'Files'),
  }),
  createRoute({
    ...at('/files/$set/diff'),
    component: lazyRouteComponent(() => import('./screens/files-diff.tsx'), 'FilesDiff'),
  }),
  createRoute({
    ...at('/alerts'),
    component: lazyRouteComponent(() => import('./screens/alerts.tsx'), 'Alerts'),
  }),
  createRoute({ ...at('/runs'), component: lazyRouteComponent(() => import('./screens/runs.tsx'), 'Runs') }),
  createRoute({
    ...at('/journal'),
    component: lazyRouteComponent(() => import('./screens/journal.tsx'), 'Journal'),
  }),
  createRoute({
    ...at('/playground/$model'),
    component: lazyRouteComponent(() => import('./screens/playground.tsx'), 'PlaygroundScreen'),
  }),
  createRoute({
    ...at('/backtest/$model'),
    component: lazyRouteComponent(() => import('./screens/backtest.tsx'), 'BacktestScreen'),
  }),
  createRoute({
    ...at('/settings'),
    component: lazyRouteComponent(() => import('./screens/settings.tsx'), 'Settings'),
  }),
]

/** Search values are plain text in the address: `?sort=rows`, never JSON. */
function readSearch(text: string): Record<string, string> {
  return Object.fromEntries(new URLSearchParams(text))
}

function writeSearch(search: Record<string, unknown>): string {
  const params = new URLSearchParams()
  for (const [key, value] of Object.entries(search))
    if (value !== undefined && value !== null) params.set(key, String(value))
  const text = params.toString()
  return text === '' ? '' : `?${text}`
}

export const router = createRouter({
  routeTree: root.addChildren(routes),
  parseSearch: readSearch,
  stringifySearch: writeSearch,
  scrollRestoration: true,
  defaultPendingComponent: () => <SkeletonPage title="…" />,
  defaultPendingMs: 150,
  defaultErrorComponent: ({ error, reset }) => (
    <Page title="This screen failed">
      <ErrorCard error={error} retry={reset} />
    </Page>
  ),
})

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router
  }
}
