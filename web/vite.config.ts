import { fileURLToPath, URL } from 'node:url'
import vue from '@vitejs/plugin-vue'
import { defineConfig } from 'vitest/config'
import { mockApi } from './dev/mock.ts'

// `XIANGYUN_API=http://127.0.0.1:8000 npm run dev` works against a running hub; without it the dev server answers
// from fixtures. Neither the mock nor the proxy is part of the bundle.
const hub = process.env['XIANGYUN_API']

export default defineConfig(({ command }) => ({
  base: './',
  plugins: [vue(), ...(command === 'serve' && !hub ? [mockApi()] : [])],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  server: { ...(hub ? { proxy: { '/api': { target: hub, changeOrigin: false } } } : {}) },
  define: { __INTLIFY_JIT_COMPILATION__: true, __VUE_I18N_LEGACY_API__: false },
  build: {
    outDir: '../api/console',
    emptyOutDir: true,
    target: 'es2022',
    // Everything stays a file: the content security policy allows no inline script and no data: font.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 700,
  },
  test: { environment: 'node', include: ['src/**/*.test.ts'] },
}))
